//! Which alert fired with which fault, for people and programs.

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf, time::Duration};

use serde_json::json;

use super::{catalogue::Catalogue, rehearsal::Rehearsed};
use crate::{observe::SWITCH, run_dir::RunDir, verdict::Outcome};

/// All drills of a run.
pub(super) struct Matrix {
    /// Names, in the order of the columns.
    alerts: BTreeSet<String>,
    rehearsed: Vec<Rehearsed>,
    took: Duration,
}

impl Matrix {
    pub(super) fn new(catalogue: &Catalogue, rehearsed: Vec<Rehearsed>, took: Duration) -> Self {
        let mut alerts = catalogue.alerts.clone();
        alerts.remove(SWITCH);
        Self {
            alerts,
            rehearsed,
            took,
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome::worst(self.rehearsed.iter().map(|it| it.outcome))
    }

    /// The table, with the alerts as letters, and what each letter is.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("\n");
        for (letter, alert) in self.lettered() {
            // Writing to a text does not fail.
            let _ = writeln!(text, "  {letter}  {alert}");
        }
        let _ = writeln!(
            text,
            "\n  # the alert of the drill   o may fire, and did   . silent, as it had to be or might   X fired, and had to stay silent\n"
        );
        let letters: String = self.lettered().map(|it| it.0).collect();
        let _ = writeln!(text, "{:<7} {:40} {letters}     told    clear", "", "");
        for it in &self.rehearsed {
            let marks: String = self.alerts.iter().map(|alert| mark(it, alert)).collect();
            let seconds =
                |it: Option<f64>| it.map_or_else(|| "-".to_owned(), |it| format!("{it:.1} s"));
            let _ = writeln!(
                text,
                "{:<7} {:40} {marks} {:>8} {:>8}",
                it.outcome.to_string(),
                it.name,
                seconds(it.detected_s),
                seconds(it.cleared_s)
            );
            for wrong in &it.wrong {
                let _ = writeln!(text, "{:<7} {wrong}", "");
            }
        }
        let passed = self
            .rehearsed
            .iter()
            .filter(|it| it.outcome == Outcome::Pass);
        let _ = writeln!(
            text,
            "\n{}: {} of {} drills, {} looks of runbooks, in {:.0} s",
            self.outcome(),
            passed.count(),
            self.rehearsed.len(),
            self.rehearsed.iter().map(|it| it.looks).sum::<usize>(),
            self.took.as_secs_f64()
        );
        text
    }

    fn lettered(&self) -> impl Iterator<Item = (char, &String)> {
        ('a'..='z').chain('A'..='Z').zip(&self.alerts)
    }

    /// Writes `drills.json` and `drills.txt`, and returns where the latter is.
    pub(super) fn write(&self, run_dir: &RunDir) -> anyhow::Result<PathBuf> {
        let document = json!({
            "outcome": self.outcome(),
            "duration_s": self.took.as_secs_f64(),
            "alerts": self.alerts,
            "drills": self.rehearsed,
        });
        run_dir.write("drills.json", serde_json::to_vec_pretty(&document)?)?;
        run_dir.write("drills.txt", self.text())
    }
}

fn mark(it: &Rehearsed, alert: &str) -> char {
    let surprise = it
        .unexpected
        .iter()
        .any(|labels| labels.split(' ').next() == Some(alert));
    if surprise {
        'X'
    } else if !it.fired.contains(alert) {
        '.'
    } else if it.alert == alert {
        '#'
    } else {
        'o'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_has_its_mark() {
        let catalogue = Catalogue::of_the_shop().unwrap();
        let mut it = Rehearsed::new("DeadLetters", "DeadLetters");
        it.fired = ["DeadLetters", "QueueBacklog", "GatewayDown"]
            .map(str::to_owned)
            .into();
        it.unexpected = ["GatewayDown service=gateway".to_owned()].into();
        for (alert, expected) in [
            ("DeadLetters", '#'),
            ("QueueBacklog", 'o'),
            ("GatewayDown", 'X'),
            ("ServiceAbsent", '.'),
        ] {
            assert_eq!(mark(&it, alert), expected, "{alert}");
        }
        let matrix = Matrix::new(&catalogue, vec![it], Duration::from_secs(90));
        assert!(!matrix.alerts.contains(SWITCH), "it always fires");
        let text = matrix.text();
        for (_, alert) in matrix.lettered() {
            assert!(text.contains(alert), "{alert} in {text}");
        }
    }
}
