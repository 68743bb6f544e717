//! Every alert has a page that can be followed, and a drill that follows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::Deserialize;
use slo::{
    files,
    runbook::{self, Fence},
};

use crate::{alerts, metrics, promql};

const HEADINGS: [&str; 5] = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Rehearse"];
/// The most lines of a page: somebody was asleep a minute ago.
const LINES: usize = 80;
/// What Prometheus and rules give to series, beside what services do.
const LABELS: [&str; 20] = [
    "alertname",
    "alertstate",
    "cache",
    "condition",
    "decision",
    "horizontalpodautoscaler",
    "job",
    "le",
    "metric_name",
    "outcome",
    "rule_group",
    "scope",
    "service",
    "signal",
    "slo",
    "source",
    "status",
    "team",
    "track",
    "window",
];

fn names() -> BTreeSet<String> {
    let alerts = alerts::alerts();
    alerts.into_iter().filter_map(|it| it.alert).collect()
}

/// The pages of alerts.
fn pages() -> Vec<(String, String)> {
    let mut pages = files::pages(&files::root()).expect("there are pages");
    pages.retain(|it| it.0 != "README");
    assert!(!pages.is_empty());
    pages
}

fn fences(kind: &str) -> Vec<(String, Fence)> {
    let all = files::pages(&files::root()).expect("there are pages");
    let of = |(name, text): (String, String)| -> Vec<_> {
        let fences = runbook::fences(&text).into_iter();
        fences.map(|it| (name.clone(), it)).collect()
    };
    let fences = all.into_iter().flat_map(of);
    fences.filter(|it| it.1.kind == kind).collect()
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let pages: BTreeSet<_> = pages().into_iter().map(|it| it.0).collect();
    assert_eq!(pages, names());
}

#[test]
fn every_alert_is_in_the_table() {
    let table = files::read(&files::root().join("observability/README.md")).unwrap();
    for name in names() {
        assert!(table.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn a_page_has_its_headings_and_is_short() {
    for (name, text) in pages() {
        assert!(text.starts_with(&format!("# {name}\n")), "{name}");
        let headings: Vec<_> = text
            .lines()
            .filter_map(|it| it.strip_prefix("## "))
            .collect();
        assert_eq!(headings, HEADINGS, "{name}");
        let lines = text.lines().count();
        assert!(lines <= LINES, "{name} has {lines} lines");
        for word in ["TODO", "TBD", "FIXME"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
}

/// Each step of a diagnosis shows something, and the mitigation says how to see that it worked.
#[test]
fn a_page_can_be_followed() {
    for (name, text) in pages() {
        let fences = runbook::fences(&text);
        let looks = fences.iter().filter(|it| it.heading == "Diagnosis").count();
        let shown = text.matches("   Shows `").count();
        assert!(
            looks > 0 && looks == shown,
            "{name}: {looks} looks, {shown} shown"
        );
        let proof = |it: &&Fence| it.heading == "Mitigation" && it.kind == "promql";
        assert_eq!(fences.iter().filter(proof).count(), 1, "{name}");
    }
}

#[test]
fn queries_of_pages_ask_for_what_somebody_records() {
    let recorded = metrics::recorded_by_rules();
    let labels = metrics::names();
    let queries = fences("promql");
    assert!(queries.len() > 60, "{}", queries.len());
    let mut missing = Vec::new();
    for (page, query) in queries {
        let unknown = metrics::unknown(&query.code, &recorded);
        missing.extend(unknown.into_iter().map(|it| format!("{page}: metric {it}")));
        let known = |it: &String| labels.contains(it) || LABELS.contains(&it.as_str());
        let asked = promql::labels(&query.code).into_iter();
        let unknown = asked.filter(|it| !known(it));
        missing.extend(unknown.map(|it| format!("{page}: label {it}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The same commands work wherever the shop runs: they use variables that README.md explains, and name no place.
#[test]
fn commands_of_pages_name_no_place_of_their_own() {
    let readme = files::read(&files::root().join("runbooks/README.md")).unwrap();
    let commands = fences("sh");
    assert!(commands.len() > 20, "{}", commands.len());
    for (page, command) in commands {
        let code = &command.code;
        for place in [
            "localhost",
            "127.0.0.1",
            "docker",
            "kubectl",
            "cargo",
            "kill",
            "systemctl",
        ] {
            assert!(!code.contains(place), "{page}: {place}");
        }
        let word = |it: &str| -> String {
            let part = |it: &char| it.is_ascii_uppercase() || *it == '_';
            it.chars().take_while(part).collect()
        };
        for name in code.split('$').skip(1).map(word) {
            let known = readme.contains(&format!("`${name}`")) || name == "USER";
            assert!(known, "{page}: ${name}");
        }
    }
}

/// What a page says that logs say is what some service logs.
#[test]
fn quoted_log_messages_exist() {
    let root = files::root();
    let mut sources = String::new();
    for folder in ["crates", "services"] {
        read_sources(&root.join(folder), &mut sources);
    }
    let mut quoted = 0;
    for (page, text) in pages() {
        let text = text.replace("ogs, which say", "ogs say");
        for said in text.split("ogs say ").skip(1) {
            let sentence = said.split(['.', '\n']).next().unwrap_or_default();
            for message in sentence.split('`').skip(1).step_by(2) {
                quoted += 1;
                let logged = sources.contains(&format!("\"{message}\""));
                assert!(logged, "{page}: nobody logs {message:?}");
            }
        }
    }
    assert!(quoted > 8, "{quoted}");
}

fn read_sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            read_sources(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            into.push_str(&fs::read_to_string(path).expect("it can be read"));
        }
    }
}

#[derive(Deserialize)]
struct Drills {
    drills: Vec<Drill>,
}

#[derive(Deserialize)]
struct Drill {
    alert: String,
    fault: Option<Vec<yaml_serde::Value>>,
    elsewhere: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    may_fire: Vec<String>,
}

#[test]
fn every_alert_has_a_drill_that_knows_what_to_do() {
    let text = files::read(&files::root().join("observability/drills.yaml")).unwrap();
    let Drills { drills } = yaml_serde::from_str(&text).unwrap();
    let drilled: BTreeSet<_> = drills.iter().map(|it| it.alert.clone()).collect();
    assert_eq!(drilled, names());
    let rules = alerts::alerts();
    for drill in drills {
        let Drill { alert, labels, .. } = &drill;
        let of = |it: &&slo::alert::Rule| it.alert.as_ref() == Some(alert);
        // A label that a rule sets must be set so by one of the rules.
        let possible = rules.iter().filter(of).any(|rule| {
            let differs = |(name, value): (&String, &String)| {
                rule.labels.get(name).is_some_and(|it| it != value)
            };
            !labels.iter().any(differs)
        });
        assert!(possible, "{alert} {labels:?}");
        for other in &drill.may_fire {
            assert!(names().contains(other), "{alert}: {other}");
        }
        let page = files::read(&files::root().join(format!("runbooks/{alert}.md"))).unwrap();
        let rehearses = runbook::fences(&page)
            .iter()
            .any(|it| it.heading == "Rehearse" && it.kind == "sh");
        let switch = alert == slo::alert::WATCHDOG.0;
        let told = drill.fault.is_some() || drill.elsewhere.is_some();
        assert!(switch || rehearses || told, "{alert}");
    }
}
