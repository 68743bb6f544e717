//! Runs of the baseline. What depends on how busy this machine is (latency, send lag) is not asserted here.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Scratch;

/// Runs the baseline for so many seconds and returns its exit code and `verdict.json`.
fn baseline(scratch: &Scratch, seconds: &str, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec![
        "run",
        "baseline",
        "--json",
        "--seed",
        "7",
        "--duration",
        seconds,
    ];
    arguments.extend(more);
    let output = scratch.loadtest(&arguments).output().expect("run loadtest");
    let verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let told = String::from_utf8_lossy(&output.stderr);
        panic!("standard output is one JSON document: {error}; {told}")
    });
    (output.status.code(), verdict)
}

fn checks<'a>(verdict: &'a Value, arm: &str, group: &str) -> Vec<&'a Value> {
    let arms = verdict["experiments"][0]["arms"].as_array().expect("arms");
    let arm = arms.iter().find(|it| it["name"] == arm).expect("the arm");
    let checks = arm["checks"].as_array().expect("checks");
    checks.iter().filter(|it| it["group"] == group).collect()
}

fn named<'a>(verdict: &'a Value, arm: &str, name: &str) -> &'a Value {
    let arms = verdict["experiments"][0]["arms"].as_array().expect("arms");
    let arm = arms.iter().find(|it| it["name"] == arm).expect("the arm");
    let checks = arm["checks"].as_array().expect("checks");
    checks
        .iter()
        .find(|it| it["name"] == name)
        .unwrap_or_else(|| panic!("{name} in {checks:?}"))
}

/// The door; signals, callers, event signals and events of each service that has them; traces and the saga.
const COMPARED: [&str; 28] = [
    "clients = gateway",
    "refusals agree",
    "gateway: samples = access lines = spans",
    "catalog: samples = access lines = spans",
    "inventory: samples = access lines = spans",
    "orders: samples = access lines = spans",
    "search: samples = access lines = spans",
    "callers = catalog",
    "callers = inventory",
    "callers = orders",
    "callers = search",
    "inventory: event samples = lines = spans",
    "orders: event samples = lines = spans",
    "payments: event samples = lines = spans",
    "events sent = processed by inventory",
    "events sent = processed by orders",
    "events sent = processed by payments",
    "traces are connected",
    "order traces are the saga graph",
    "durations agree",
    "times agree",
    "outcomes agree",
    "exemplars are true",
    "everything has its cause",
    "everyone says who it is",
    "gauges are true at rest",
    "caches count what they load",
    "names are those of the conventions",
];
const AUDITED: [&str; 7] = [
    "the shop became idle",
    "no acknowledged order is lost",
    "no order was taken twice",
    "clients saw what the ledger says",
    "money is where it belongs",
    "stock is where it belongs",
    "orders are confirmed",
];

#[test]
fn a_healthy_shop_reconciles_and_an_injected_fault_is_seen() {
    let scratch = Scratch::new();
    // One in twenty of some 270 product pages fails, so that none does about once in a million runs.
    let (_, verdict) = baseline(&scratch, "8", &["--rate", "40"]);
    for arm in ["nominal", "errors"] {
        for (group, expected) in [("reconciliation", &COMPARED[..]), ("audit", &AUDITED[..])] {
            let checks = checks(&verdict, arm, group);
            let names: BTreeSet<_> = checks.iter().filter_map(|it| it["name"].as_str()).collect();
            assert_eq!(names, expected.iter().copied().collect(), "{arm}");
            assert_eq!(checks.len(), expected.len(), "{arm}: {names:?}");
            for check in checks {
                assert_eq!(check["outcome"], "PASS", "{arm}: {check}");
            }
        }
    }
    let available = named(&verdict, "errors", "browsing is available");
    assert_eq!(available["outcome"], "FAIL", "{available}");

    let run = scratch.runs().join("latest");
    let read = |name: &str| std::fs::read_to_string(run.join(name)).expect(name);
    let kept: Value = serde_json::from_str(&read("verdict.json")).expect("JSON");
    assert_eq!(kept, verdict);
    assert_eq!(verdict["schema_version"], 3);
    let page = read("report.html");
    assert!(!page.contains("{{"), "every placeholder is filled");
    assert!(
        !page.contains("http://") || !page.contains("src="),
        "nothing is loaded"
    );
    assert!(read("junit.xml").contains("<testsuite name=\"baseline.nominal\""));
}

/// Loses the middle one of each thousand at the gateway, which a visit asks some seven times. A shop that is held up
/// cuts visits short, so there are twice as many as one loss needs.
#[track_caller]
fn loss_is_noticed(signal: &str, seconds: &str, words: &str) {
    let arguments = ["--rate", "25", "--lose", signal];
    let (code, verdict) = baseline(&Scratch::new(), seconds, &arguments);
    assert_eq!((code, &verdict["outcome"]), (Some(1), &"FAIL".into()));
    let compared = checks(&verdict, "nominal", "reconciliation");
    let named = compared.iter().any(|check| {
        let details = check["details"].to_string();
        let ids = check["request_ids"].as_array();
        check["outcome"] == "FAIL"
            && details.contains(words)
            && ids.is_some_and(|it| !it.is_empty())
    });
    assert!(named, "no check names a request: {compared:?}");
}

#[test]
fn one_access_line_lost_in_a_thousand_is_noticed() {
    loss_is_noticed("logs", "8", "access line");
}

#[test]
fn one_span_lost_in_a_thousand_is_noticed() {
    loss_is_noticed("traces", "8", "span");
}

#[test]
fn one_sample_lost_in_a_thousand_is_noticed() {
    // The gateway takes some 1,500 samples of 100 visits, so that one or two are lost; three of the same operation in so short
    // a time could not be told.
    loss_is_noticed("metrics", "4", "metric sample");
}

#[test]
fn a_generator_that_was_late_makes_the_run_invalid() {
    let arguments = ["--rate", "20", "--starve-ms", "60"];
    let (code, verdict) = baseline(&Scratch::new(), "2", &arguments);
    assert_eq!((code, &verdict["outcome"]), (Some(3), &"INVALID".into()));
    let late = named(&verdict, "nominal", "requests were sent on time");
    assert_eq!(late["outcome"], "INVALID", "{late}");
}
