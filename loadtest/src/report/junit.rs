//! The verdict as `JUnit` XML, which CI systems show: an arm is a test suite, a check a test case.
//!
//! Schema: <https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd>

use std::fmt::Write as _;

use super::document::{ArmReport, Document};
use crate::verdict::{Check, Expectation, Group, Outcome};

/// In an arm that must hurt, missed objectives are what it is for: there a single case stands for all of them.
pub(super) fn document(it: &Document) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for experiment in &it.experiments {
        for arm in &experiment.arms {
            suite(&mut xml, experiment.name, arm).expect("writing to a string does not fail");
        }
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, experiment: &str, arm: &ArmReport) -> std::fmt::Result {
    let hurts = arm.expectation == Expectation::MustHurt;
    let (objectives, mut cases): (Vec<_>, Vec<_>) = arm
        .checks
        .iter()
        .cloned()
        .partition(|it| hurts && it.group == Group::Objective);
    if hurts {
        cases.push(must_hurt(&objectives));
    }
    let count = |of: &[Outcome]| cases.iter().filter(|it| of.contains(&it.outcome)).count();
    writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        escape(&format!("{experiment}.{}", arm.name)),
        cases.len(),
        count(&[Outcome::Fail]),
        count(&[Outcome::Invalid, Outcome::Inconclusive]),
    )?;
    for check in &cases {
        case(xml, &format!("{experiment}.{}", arm.name), check)?;
    }
    writeln!(xml, "  </testsuite>")
}

fn must_hurt(objectives: &[Check]) -> Check {
    let missed = objectives.iter().any(|it| it.outcome == Outcome::Fail);
    let outcome = if missed {
        Outcome::Pass
    } else {
        Outcome::Inconclusive
    };
    let said: Vec<_> = objectives
        .iter()
        .map(|it| format!("{} {}: {}", it.outcome, it.name, it.observed))
        .collect();
    Check::new(Group::Objective, "the fault hurts", outcome)
        .saw(said.join("; "), "an objective is missed")
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
