//! Which drills there are: `observability/drills.yaml`.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use anyhow::Context as _;
use serde::Deserialize;
use slo::{alert, files};

use super::act::Act;
use crate::observe::Labels;

/// Where drills are described.
const PATH: &str = "observability/drills.yaml";

/// Nobody waits longer than this for an alert to clear.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Every drill, and every alert that there is.
pub(super) struct Catalogue {
    pub(super) drills: Vec<Drill>,
    /// Names of alerts in the rules.
    pub(super) alerts: BTreeSet<String>,
}

/// How one alert is made to fire, and what is expected meanwhile.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drill {
    /// Which alert must be told. Its page is `runbooks/ALERT.md`.
    pub(super) alert: String,
    /// Tells the drills of one alert apart.
    name: Option<String>,
    /// Labels that the alert must have.
    #[serde(default)]
    pub(super) labels: Labels,
    /// What the commands of the page find beside the usual variables. A value that is the name of another variable stands for its value.
    #[serde(default)]
    pub(super) variables: Labels,
    /// Which looks of the page are about this case, counted from 1; without it, all.
    pub(super) looks: Option<BTreeSet<usize>>,
    /// The command that drills it, if that is not `loadtest drill`: it needs what only a deployment in containers has.
    pub(super) elsewhere: Option<String>,
    /// What makes it fire; without it, the commands under Rehearse on the page.
    pub(super) fault: Option<Vec<Act>>,
    /// What ends it; without it, the commands under Mitigation on the page.
    pub(super) mitigation: Option<Vec<Act>>,
    /// It is silenced for so many seconds, with a comment, and must be told only when that is over.
    pub(super) silence: Option<u64>,
    /// It must be told within so many seconds.
    #[serde(default = "a_minute")]
    detect: u64,
    /// It must be silent so many seconds after the mitigation, and stay so.
    #[serde(default = "two_minutes")]
    clear: u64,
    /// Other alerts that may fire meanwhile.
    #[serde(default)]
    pub(super) may_fire: BTreeSet<String>,
}

fn a_minute() -> u64 {
    60
}

fn two_minutes() -> u64 {
    120
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    drills: Vec<Drill>,
}

impl Drill {
    /// How it is asked for.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.alert)
    }

    pub(super) fn detect(&self) -> Duration {
        Duration::from_secs(self.detect)
    }

    pub(super) fn clear(&self) -> Duration {
        Duration::from_secs(self.clear)
    }

    /// Whether what it does to a budget lasts for hours even on the drills' clock. It has a shop of its own then, and its end is not
    /// waited for.
    pub(super) fn leaves_traces(&self) -> bool {
        self.clear() > LONGEST_WAIT
    }

    /// Whether this is the alert that must be told.
    pub(super) fn is_meant(&self, labels: &Labels) -> bool {
        let given = self.labels.iter();
        named(labels) == self.alert
            && given
                .clone()
                .all(|(name, value)| labels.get(name) == Some(value))
    }

    /// Whether this alert may fire meanwhile. One that may fire with one window of a burn rate may fire with the others.
    pub(super) fn may_fire(&self, labels: &Labels) -> bool {
        let mut given = self.labels.iter().filter(|it| it.0 != "window");
        let same = named(labels) == self.alert
            && given.all(|(name, value)| labels.get(name) == Some(value));
        same || self.may_fire.contains(named(labels))
    }
}

/// The name of an alert.
pub(super) fn named(labels: &Labels) -> &str {
    labels.get("alertname").map_or("", String::as_str)
}

impl Catalogue {
    /// Reads the drills of the shop, and the rules that they are about.
    ///
    /// # Errors
    /// A file that is not as it should be, an alert without a drill, or a drill without an alert.
    pub(super) fn of_the_shop() -> anyhow::Result<Self> {
        let root = files::root();
        let text = files::read(&root.join(PATH))?;
        let file: File = yaml_serde::from_str(&text).context(PATH)?;
        let mut alerts = BTreeSet::new();
        for path in files::timed(&root)? {
            if path == files::ALERTMANAGER {
                continue;
            }
            let text = files::read(&root.join(&path))?;
            let rules = alert::rules(&text).context(path)?;
            alerts.extend(rules.into_iter().filter_map(|it| it.alert));
        }
        let it = Self {
            drills: file.drills,
            alerts,
        };
        it.check()?;
        Ok(it)
    }

    fn check(&self) -> anyhow::Result<()> {
        let drilled: BTreeSet<_> = self.drills.iter().map(|it| it.alert.clone()).collect();
        let missing: Vec<_> = self.alerts.symmetric_difference(&drilled).collect();
        anyhow::ensure!(
            missing.is_empty(),
            "{PATH}: alerts without a drill, or drills without an alert: {missing:?}"
        );
        let mut names = BTreeSet::new();
        for drill in &self.drills {
            anyhow::ensure!(
                names.insert(drill.name()),
                "{PATH}: two drills {}",
                drill.name()
            );
            for other in &drill.may_fire {
                let known = self.alerts.contains(other);
                anyhow::ensure!(known, "{PATH}: {}: no alert {other}", drill.name());
            }
        }
        Ok(())
    }

    /// All that are carried out here.
    pub(super) fn here(&self) -> Vec<&Drill> {
        let all = self.drills.iter();
        all.filter(|it| it.elsewhere.is_none()).collect()
    }

    /// Those with these names; where none is called so, those about this alert.
    pub(super) fn choose(&self, names: &[String]) -> anyhow::Result<Vec<&Drill>> {
        let mut chosen = Vec::new();
        for name in names {
            let called: Vec<_> = self.drills.iter().filter(|it| it.name() == name).collect();
            let about = self.drills.iter().filter(|it| it.alert == *name);
            let meant = if called.is_empty() {
                about.collect()
            } else {
                called
            };
            anyhow::ensure!(
                !meant.is_empty(),
                "unknown drill {name:?}: loadtest drill --list names them"
            );
            let away = meant.iter().find_map(|it: &&Drill| it.elsewhere.as_ref());
            if let Some(command) = away {
                anyhow::bail!("{name} is not drilled here, but by {command}");
            }
            chosen.extend(meant);
        }
        Ok(chosen)
    }

    /// A line for each.
    pub(super) fn list(&self) -> String {
        let mut text = String::new();
        for it in &self.drills {
            let labels: Vec<_> = it.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let by = it.elsewhere.as_ref().map(|it| format!("by {it}"));
            // Writing to a text does not fail.
            let _ = writeln!(
                text,
                "  {:40} {:20} {}",
                it.name(),
                it.alert,
                by.unwrap_or_else(|| labels.join(" "))
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_a_drill_and_every_drill_an_alert() {
        let catalogue = Catalogue::of_the_shop().unwrap();
        assert!(catalogue.alerts.contains("ErrorBudgetBurn") && !catalogue.drills.is_empty());
        for drill in catalogue.here() {
            let chosen = catalogue.choose(&[drill.name().to_owned()]).unwrap();
            assert!(chosen.len() == 1 && chosen[0].name() == drill.name());
        }
        let burning = catalogue.choose(&["ErrorBudgetBurn".to_owned()]).unwrap();
        assert!(burning.len() > 1, "all that are about an alert");
        assert!(catalogue.choose(&["NoSuchAlert".to_owned()]).is_err());
    }

    #[test]
    fn a_drill_that_is_elsewhere_is_there() {
        let catalogue = Catalogue::of_the_shop().unwrap();
        let away = catalogue
            .drills
            .iter()
            .filter_map(|it| Some((it, it.elsewhere.as_ref()?)));
        for (drill, command) in away {
            let script = command.split(' ').next().unwrap();
            let text = files::read(&files::root().join(script)).unwrap();
            assert!(text.contains(&drill.alert), "{script}: {}", drill.alert);
            let chosen = catalogue.choose(&[drill.name().to_owned()]);
            assert!(chosen.unwrap_err().to_string().contains(command));
        }
    }

    #[test]
    fn the_other_windows_of_a_burning_objective_are_no_surprise_but_other_objectives_are() {
        let text =
            "{alert: ErrorBudgetBurn, labels: {slo: a, window: 1h}, may_fire: [DeadLetters]}";
        let drill: Drill = yaml_serde::from_str(text).unwrap();
        let alert = |name: &str, slo: &str, window: &str| -> Labels {
            [("alertname", name), ("slo", slo), ("window", window)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        };
        assert!(drill.is_meant(&alert("ErrorBudgetBurn", "a", "1h")));
        assert!(!drill.is_meant(&alert("ErrorBudgetBurn", "a", "6h")));
        assert!(drill.may_fire(&alert("ErrorBudgetBurn", "a", "6h")));
        assert!(!drill.may_fire(&alert("ErrorBudgetBurn", "b", "1h")));
        assert!(drill.may_fire(&alert("DeadLetters", "", "")));
    }
}
