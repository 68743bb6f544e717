//! Alerts say what whoever is called needs, and each has been tried.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use slo::{
    alert::{self, Rule, WATCHDOG},
    files,
};

/// What may get somebody out of bed: what shoppers feel.
const PAGES: [&str; 2] = ["ErrorBudgetBurn", "GatewayDown"];

/// The dashboards that alerts may lead to.
const DASHBOARDS: [&str; 9] = [
    "windtunnel-overview",
    "windtunnel-service",
    "windtunnel-slo",
    "windtunnel-journey",
    "windtunnel-dependencies",
    "windtunnel-caching",
    "windtunnel-autoscaling",
    "windtunnel-resilience",
    "windtunnel-loadtest",
];

/// Every rule that alerts.
pub(crate) fn alerts() -> Vec<Rule> {
    let root = files::root();
    let read = |path| {
        let text = files::read(&root.join(path)).expect("rules are there");
        alert::rules(&text).expect("rules are rules")
    };
    let rules = [files::ALERTS, files::SLO_RULES].into_iter().flat_map(read);
    rules.filter(|it| it.alert.is_some()).collect()
}

fn name(rule: &Rule) -> &str {
    rule.alert.as_deref().expect("it alerts")
}

#[test]
fn an_alert_says_what_it_saw_and_where_to_go_on() {
    for rule in alerts() {
        let name = name(&rule);
        let texts = &rule.annotations;
        let keys: Vec<_> = texts.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["dashboard_url", "description", "runbook_url", "summary"],
            "{name}"
        );
        assert!(texts["description"].contains("{{ $value"), "{name}");
        let runbook = format!("{{{{ $externalLabels.runbooks }}}}/{name}.md");
        assert_eq!(texts["runbook_url"], runbook);
        let dashboard = texts["dashboard_url"].strip_prefix("{{ $externalLabels.grafana }}/d/");
        let uid = dashboard.and_then(|it| it.split('?').next());
        assert!(uid.is_some_and(|it| DASHBOARDS.contains(&it)), "{name}");
    }
}

#[test]
fn only_symptoms_page() {
    for rule in alerts() {
        let (name, severity) = (name(&rule), rule.labels["severity"].as_str());
        let allowed: &[&str] = match name {
            it if it == WATCHDOG.0 => &["none"],
            it if PAGES.contains(&it) => &["page", "ticket"],
            _ => &["ticket"],
        };
        assert!(allowed.contains(&severity), "{name}: {severity}");
    }
    let pages = alerts()
        .into_iter()
        .filter(|it| it.labels["severity"] == "page");
    assert_eq!(pages.count(), 3, "two rows of burn rates, and the gateway");
}

/// The owner is joined, recorded with the objective, or stands there; then it is the one in the table.
#[test]
fn an_alert_names_the_team_that_owns_what_it_is_about() {
    let teams = slo::teams();
    for rule in alerts() {
        let joined = rule
            .expr
            .contains("on (service) group_left (team) service:owner:info")
            || rule.expr.contains("service:owner:info unless")
            || rule.expr.contains("slo:");
        match (rule.labels.get("team"), rule.labels.get("service")) {
            (None, None) => assert!(joined, "{}", name(&rule)),
            (Some(team), Some(service)) => assert_eq!(teams.of(service), Some(team.as_str())),
            (Some(team), None) => assert!(teams.teams.iter().any(|it| it.name == *team)),
            (None, Some(_)) => panic!("{} has no team", name(&rule)),
        }
    }
}

#[derive(Deserialize)]
struct TestFile {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    alert_rule_test: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    alertname: String,
    exp_alerts: Vec<ExpectedAlert>,
}

#[derive(Deserialize)]
struct ExpectedAlert {
    exp_labels: BTreeMap<String, String>,
}

fn cases() -> Vec<Case> {
    let folder = files::root().join("observability/prometheus/tests");
    let paths = fs::read_dir(folder).expect("there are tests");
    let read = |path: &Path| -> TestFile {
        let text = files::read(path).expect("a test is there");
        yaml_serde::from_str(&text).expect("a test is one of promtool's")
    };
    let paths = paths.map(|it| it.expect("the folder can be listed").path());
    paths.flat_map(|it| read(&it).tests).collect()
}

#[test]
fn each_alert_is_tried_firing_quiet_and_at_its_threshold() {
    let cases = cases();
    for rule in alerts() {
        let name = name(&rule);
        let of = |kind: &str| -> Vec<&Case> {
            let begin = format!("{name} {kind}");
            let begins = |it: &&Case| it.name.starts_with(&begin);
            cases.iter().filter(begins).collect()
        };
        let fires = |it: &&Case| {
            it.alert_rule_test
                .iter()
                .any(|it| !it.exp_alerts.is_empty())
        };
        let quiet = |it: &&Case| it.alert_rule_test.iter().any(|it| it.exp_alerts.is_empty());
        let all_of_it = |it: &&Case| it.alert_rule_test.iter().all(|it| it.alertname == name);
        let firing = of("fires");
        assert!(!firing.is_empty() && firing.iter().all(fires), "{name}");
        assert!(firing.iter().all(all_of_it), "{name}");
        if name == WATCHDOG.0 {
            continue;
        }
        let at_rest = of("is quiet");
        assert!(at_rest.iter().any(quiet), "{name} is quiet in no case");
        let threshold = of("at its threshold");
        assert!(threshold.iter().any(fires), "{name}: beyond its threshold");
        assert!(threshold.iter().any(quiet), "{name}: at its threshold");
    }
}

/// Where one name has several rules, each of them is seen to fire.
#[test]
fn each_rule_is_seen_to_fire() {
    let cases = cases();
    let expected: Vec<_> = cases
        .iter()
        .flat_map(|it| &it.alert_rule_test)
        .flat_map(|it| it.exp_alerts.iter().map(|alert| (&it.alertname, alert)))
        .collect();
    for rule in alerts() {
        let seen = expected.iter().any(|(alertname, alert)| {
            let has = |(name, value): (&String, &String)| alert.exp_labels.get(name) == Some(value);
            *alertname == name(&rule) && rule.labels.iter().all(has)
        });
        assert!(seen, "{} {:?}", name(&rule), rule.labels);
    }
}
