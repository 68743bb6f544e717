//! Alerts as they stand in files of rules, and whom each of them is for.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::{Slo, Teams};

/// The alert that always fires, and its receiver.
pub const WATCHDOG: (&str, &str) = ("Watchdog", "watchdog");

/// A file of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "interval")]
    _interval: Option<String>,
    rules: Vec<Rule>,
}

/// A rule, which either records or alerts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The series that is recorded.
    pub record: Option<String>,
    /// The name of the alert.
    pub alert: Option<String>,
    /// What is computed, or what is alerted on.
    pub expr: String,
    /// How long it must be so.
    #[serde(rename = "for")]
    pub wait: Option<String>,
    /// Labels that are set.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What people read.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// Reads a file of rules.
///
/// # Errors
/// What is not of its form.
pub fn rules(text: &str) -> anyhow::Result<Vec<Rule>> {
    let file: RuleFile = yaml_serde::from_str(text).context("read rules")?;
    let rules: Vec<_> = file.groups.into_iter().flat_map(|it| it.rules).collect();
    for it in &rules {
        ensure!(
            it.record.is_some() != it.alert.is_some(),
            "a rule neither records nor alerts, or both: {}",
            it.expr
        );
    }
    Ok(rules)
}

/// Labels with which an alert may come, and the receiver it should arrive at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The receiver, named after the team.
    pub receiver: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
}

/// Every way in which an alert of `rules` may arrive: for each objective, or each service, that it may be about.
pub fn arrivals(rules: &[Rule], slos: &[Slo], teams: &Teams) -> Vec<Arrival> {
    let mut all = Vec::new();
    for rule in rules {
        let Some(alert) = &rule.alert else { continue };
        let mut labels = rule.labels.clone();
        labels.insert("alertname".to_owned(), alert.clone());
        for about in about(rule, slos, teams) {
            let mut labels = labels.clone();
            labels.extend(about);
            let receiver = match labels.get("team") {
                _ if alert == WATCHDOG.0 => WATCHDOG.1.to_owned(),
                team => team.cloned().unwrap_or_default(),
            };
            all.push(Arrival { receiver, labels });
        }
    }
    all
}

/// What an alert may be about, as labels.
fn about(rule: &Rule, slos: &[Slo], teams: &Teams) -> Vec<BTreeMap<String, String>> {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    if rule.labels.contains_key("team") {
        return vec![BTreeMap::new()];
    }
    let services = teams.services();
    if rule.expr.contains("slo:") {
        let of = |slo: &Slo| {
            let team = teams.of(&slo.service).unwrap_or_default();
            let labels = [
                label("slo", &slo.name),
                label("service", &slo.service),
                label("team", team),
            ];
            BTreeMap::from(labels)
        };
        return slos.iter().map(of).collect();
    }
    let of = |(service, team): &(&str, &str)| {
        BTreeMap::from([label("service", service), label("team", team)])
    };
    services.iter().map(of).collect()
}
