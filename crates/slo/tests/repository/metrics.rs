//! What rules ask for is recorded by somebody.

use std::collections::BTreeSet;

use slo::{
    Indicator,
    alert::{self, Rule},
    files,
};

use crate::promql;

/// Where the names of all metrics and labels stand.
const NAMES: &str = "crates/telemetry/src/names.rs";

/// What Prometheus and Alertmanager record of themselves, what Prometheus adds to every scrape, and what the trickle of a deployment in
/// containers records.
const OTHERS: [&str; 11] = [
    "trickle_log_lines_total",
    "prometheus_notifications_alertmanagers_discovered",
    "up",
    "prometheus_config_last_reload_successful",
    "prometheus_notifications_dropped_total",
    "prometheus_notifications_errors_total",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_iterations_missed_total",
    "alertmanager_config_last_reload_successful",
    "alertmanager_notifications_failed_total",
    "ALERTS",
];

/// Names of metrics and labels that services record.
pub(crate) fn names() -> BTreeSet<String> {
    let text = files::read(&files::root().join(NAMES)).expect("it is there");
    let after = text.split(": &str = \"").skip(1);
    let names = after.filter_map(|it| it.split('"').next());
    let names: BTreeSet<_> = names.map(str::to_owned).collect();
    assert!(names.len() > 50, "{NAMES} was not understood");
    names
}

/// A series of a histogram is one of the histogram.
fn recorded(metric: &str, names: &BTreeSet<String>) -> bool {
    let histogram = ["_bucket", "_count", "_sum"]
        .into_iter()
        .find_map(|it| metric.strip_suffix(it));
    names.contains(metric) || histogram.is_some_and(|it| names.contains(it))
}

/// What of a query nobody records.
pub(crate) fn unknown(query: &str, also: &BTreeSet<String>) -> Vec<String> {
    let names = names();
    let metrics = promql::metrics(query).into_iter();
    let known =
        |it: &String| recorded(it, &names) || OTHERS.contains(&it.as_str()) || also.contains(it);
    metrics.filter(|it| !known(it)).collect()
}

/// Names of all series that rules record.
pub(crate) fn recorded_by_rules() -> BTreeSet<String> {
    let rules = rules().into_iter();
    rules.filter_map(|it| it.record).collect()
}

/// Every rule of every file.
fn rules() -> Vec<Rule> {
    let root = files::root();
    let read = |path| {
        let text = files::read(&root.join(path)).expect("rules are there");
        alert::rules(&text).expect("rules are rules")
    };
    let paths = [files::ALERTS, files::SLO_RULES, files::OWNER_RULES];
    paths.into_iter().flat_map(read).collect()
}

#[test]
fn every_metric_of_every_rule_is_recorded_by_somebody() {
    let recorded = recorded_by_rules();
    let mut missing = Vec::new();
    for rule in rules() {
        for metric in unknown(&rule.expr, &recorded) {
            missing.push(format!("{metric} in {}", rule.expr));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn labels_of_objectives_exist_and_their_limits_are_bounds_of_buckets() {
    let text = files::read(&files::root().join(NAMES)).unwrap();
    let bounds = text.split_once("LATENCY_BUCKETS: [f64; 13] = [");
    let bounds = bounds
        .and_then(|(_, rest)| rest.split_once("];"))
        .unwrap()
        .0;
    let bounds: Vec<f64> = bounds
        .split(',')
        .filter_map(|it| it.trim().parse().ok())
        .collect();
    assert_eq!(bounds.len(), 13);
    let mut labels = names();
    // Prometheus has it from discovery.
    labels.insert("service".to_owned());
    for slo in slo::shop() {
        for selector in slo.indicator.selectors() {
            let unknown: Vec<_> = selector
                .labels()
                .filter(|it| *it != "le" && !labels.contains(*it))
                .collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", slo.name);
        }
        if let Indicator::Late { limit, .. } = &slo.indicator {
            assert!(bounds.contains(&limit.as_secs_f64()), "{}", slo.name);
        }
    }
}
