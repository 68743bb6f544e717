//! The rules that follow from the objectives, as Prometheus reads them.
//!
//! For each objective and window three series with the labels `slo`, `service` and `team`: `slo:events_bad:increase5m`,
//! `slo:events:increase5m` and their ratio `slo:sli_error:ratio_rate5m`, all from the counters themselves and none from another window.
//! Names of ratios are those that Sloth gives (<https://sloth.dev>).

use std::fmt::Write as _;

use crate::{
    Indicator, Slo, Teams,
    windows::{LEAST_BAD, PERIOD, ROWS, Row, SLOW, WINDOWS},
};

/// The first line of a generated file.
pub const WRITTEN: &str = "# Written by: cargo run -p slo -- write";

/// The alert that a budget is burning.
pub const BURN: &str = "ErrorBudgetBurn";

/// Recording rules and burn rate alerts of `slos`.
pub fn slo_rules(slos: &[Slo], teams: &Teams) -> String {
    let mut text = format!("{WRITTEN}, from observability/slo.yaml\ngroups:\n");
    objectives(&mut text, slos, teams);
    let fast = |it: &&str| !SLOW.contains(it);
    for slo in slos {
        let windows: Vec<_> = WINDOWS.into_iter().filter(|it| fast(it)).collect();
        group(&mut text, &format!("slo-{}", slo.name), None);
        measurements(&mut text, slo, teams, &windows);
    }
    for slo in slos {
        group(&mut text, &format!("slo-{}-slow", slo.name), Some("1m"));
        measurements(&mut text, slo, teams, &SLOW);
    }
    budgets(&mut text);
    group(&mut text, "slo-alerts", None);
    for row in &ROWS {
        alert(&mut text, row);
    }
    text
}

/// Rules that say who owns a service, for alerts to join: `service:owner:info`, always 1.
pub fn owner_rules(teams: &Teams) -> String {
    let mut text = format!("{WRITTEN}, from observability/owners.yaml\ngroups:\n");
    group(&mut text, "owners", None);
    for (service, team) in teams.services() {
        let labels = format!("{{service: {service}, team: {team}}}");
        record(&mut text, "service:owner:info", "vector(1)", Some(&labels));
    }
    text
}

fn group(text: &mut String, name: &str, interval: Option<&str>) {
    put(text, &format!("  - name: {name}"));
    if let Some(interval) = interval {
        put(text, &format!("    interval: {interval}"));
    }
    put(text, "    rules:");
}

fn record(text: &mut String, name: &str, expression: &str, labels: Option<&str>) {
    put(text, &format!("      - record: {name}"));
    if expression.contains('\n') {
        put(text, "        expr: |");
        for line in expression.lines() {
            put(text, &format!("          {line}"));
        }
    } else {
        put(text, &format!("        expr: {expression}"));
    }
    if let Some(labels) = labels {
        put(text, &format!("        labels: {labels}"));
    }
}

fn put(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes everything");
}

fn labels(slo: &Slo, teams: &Teams) -> String {
    let Slo { name, service, .. } = slo;
    let team = teams.of(service).unwrap_or_default();
    format!("{{slo: {name}, service: {service}, team: {team}}}")
}

/// What is promised, as series.
fn objectives(text: &mut String, slos: &[Slo], teams: &Teams) {
    group(text, "slo-objectives", None);
    for slo in slos {
        let labels = labels(slo, teams);
        for (name, value) in [
            ("slo:objective:ratio", slo.target()),
            ("slo:error_budget:ratio", slo.budget()),
        ] {
            record(text, name, &format!("vector({value})"), Some(&labels));
        }
    }
}

/// Bad events, all events and their ratio, over each of `windows`.
fn measurements(text: &mut String, slo: &Slo, teams: &Teams, windows: &[&str]) {
    let (labels, name) = (labels(slo, teams), &slo.name);
    for window in windows {
        let (bad, total) = (bad(&slo.indicator, window), total(&slo.indicator, window));
        let bad_name = format!("slo:events_bad:increase{window}");
        let total_name = format!("slo:events:increase{window}");
        record(text, &bad_name, &bad, Some(&labels));
        record(text, &total_name, &total, Some(&labels));
        let ratio = format!("{bad_name}{{slo=\"{name}\"}}\n/ ({total_name}{{slo=\"{name}\"}} > 0)");
        let ratio_name = format!("slo:sli_error:ratio_rate{window}");
        record(text, &ratio_name, &ratio, Some(&labels));
    }
}

fn bad(indicator: &Indicator, window: &str) -> String {
    match indicator {
        Indicator::Failed { bad, .. } => format!("sum(increase({bad}[{window}]))"),
        Indicator::Late {
            good, total, open, ..
        } => {
            let over =
                format!("sum(increase({total}[{window}]))\n- sum(increase({good}[{window}]))");
            match open {
                None => over,
                Some(open) => format!("{over}\n+ {open}"),
            }
        }
    }
}

fn total(indicator: &Indicator, window: &str) -> String {
    let over = format!("sum(increase({}[{window}]))", indicator.total());
    match indicator {
        Indicator::Late {
            open: Some(open), ..
        } => format!("{over}\n+ {open}"),
        _ => over,
    }
}

/// How fast budgets burn now, and what is left of them.
fn budgets(text: &mut String) {
    group(text, "slo-budgets", None);
    let shortest = WINDOWS[0];
    for (name, expression) in [
        (
            "slo:current_burn_rate:ratio",
            format!("slo:sli_error:ratio_rate{shortest} / slo:error_budget:ratio"),
        ),
        (
            "slo:period_error_budget_remaining:ratio",
            format!("1 - slo:sli_error:ratio_rate{PERIOD} / slo:error_budget:ratio"),
        ),
    ] {
        record(text, name, &expression, None);
    }
}

fn alert(text: &mut String, row: &Row) {
    let Row {
        long,
        short,
        factor,
        wait,
        gone_in,
        ..
    } = row;
    let severity = row.severity.as_str();
    let lines = format!(
        r#"      - alert: {BURN}
        expr: |
          slo:sli_error:ratio_rate{long} > {factor} * slo:error_budget:ratio
          and slo:sli_error:ratio_rate{short} > {factor} * slo:error_budget:ratio
          and slo:events_bad:increase{long} >= {LEAST_BAD}
        for: {wait}
        labels: {{severity: {severity}, window: {long}}}
        annotations:
          summary: "{{{{ $labels.slo }}}} burns its error budget, which at this rate is gone in {gone_in}"
          description: "{{{{ $value | humanizePercentage }}}} of events were bad over the last {long}, and it goes on: more than {factor} times the budget allows."
          runbook_url: "{{{{ $externalLabels.runbooks }}}}/{BURN}.md"
          dashboard_url: "{{{{ $externalLabels.grafana }}}}/d/windtunnel-slo?var-slo={{{{ $labels.slo }}}}"
"#
    );
    text.push_str(&lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_past_its_limit_is_bad_and_counted() {
        let of = |name: &str| {
            let slo = crate::shop().iter().find(|it| it.name == name);
            slo.expect("the shop has it").indicator.clone()
        };
        let completion = of("order-completion");
        assert_eq!(
            bad(&completion, "5m"),
            "sum(increase(orders_completion_seconds_count{service=\"orders\"}[5m]))\n\
             - sum(increase(orders_completion_seconds_bucket{service=\"orders\", le=\"10.0\"}[5m]))\n\
             + max(orders_overdue{service=\"orders\"})"
        );
        assert!(total(&completion, "5m").ends_with("+ max(orders_overdue{service=\"orders\"})"));
        let checkout = of("checkout-availability");
        assert!(bad(&checkout, "1h").contains("http_response_status_code=~\"5..\"}[1h]"));
        assert!(!total(&checkout, "1h").contains("http_response_status_code"));
    }
}
