//! The verdict as `JUnit` XML, which CI systems show: an arm is a test suite, a check a test case.
//!
//! Schema: <https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd>

use std::fmt::Write as _;

use super::document::{ArmReport, Document};
use crate::verdict::{Check, Outcome};

/// A case passes if its check is as the arm claims.
pub(super) fn document(it: &Document) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let mut add = |name: String, cases: &[Check]| {
        suite(&mut xml, &name, cases).expect("writing to a string does not fail");
    };
    for experiment in &it.experiments {
        for arm in &experiment.arms {
            add(format!("{}.{}", experiment.name, arm.name), &cases(arm));
        }
        if !experiment.checks.is_empty() {
            add(format!("{}.across", experiment.name), &experiment.checks);
        }
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// What counts in `arm`, as the arm claims it.
fn cases(arm: &ArmReport) -> Vec<Check> {
    let checks = arm.checks.iter();
    let counting = checks.filter(|it| it.counts || arm.claim.must_fail(it));
    let case = |check: &Check| {
        let mut case = check.clone();
        if arm.claim.must_fail(check) {
            case.outcome = arm.claim.judge(check);
            case.expected = format!("it must fail: {}", check.expected);
        }
        case
    };
    counting.map(case).collect()
}

fn suite(xml: &mut String, name: &str, cases: &[Check]) -> std::fmt::Result {
    let count = |of: &[Outcome]| cases.iter().filter(|it| of.contains(&it.outcome)).count();
    writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        escape(name),
        cases.len(),
        count(&[Outcome::Fail]),
        count(&[Outcome::Invalid, Outcome::Inconclusive]),
    )?;
    for check in cases {
        case(xml, name, check)?;
    }
    writeln!(xml, "  </testsuite>")
}

fn case(xml: &mut String, class: &str, check: &Check) -> std::fmt::Result {
    let name = format!("{}: {}", check.group, check.name);
    write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\"",
        escape(class),
        escape(&name)
    )?;
    let element = match check.outcome {
        Outcome::Pass => return writeln!(xml, "/>"),
        Outcome::Fail => "failure",
        Outcome::Invalid | Outcome::Inconclusive => "error",
    };
    let text = format!(
        "{}: {}; expected: {}\n{}",
        check.outcome,
        check.observed,
        check.expected,
        check.details.join("\n")
    );
    writeln!(
        xml,
        ">\n      <{element} message=\"{}\">{}</{element}>\n    </testcase>",
        escape(&check.observed),
        escape(&text)
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no way to write the other control characters.
            it if it.is_control() && !matches!(it, '\n' | '\t') => escaped.push(' '),
            it => escaped.push(it),
        }
    }
    escaped
}
