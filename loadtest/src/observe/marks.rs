//! What goes on, as metrics: which phase of which experiment, and what was done to the shop. Dashboards mark it on their time axes.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use telemetry::names::{LOADTEST_PHASE, LOADTEST_STEP};

use crate::engine::plan::Phase;

/// The load that goes on, and when each step was done last.
#[derive(Default)]
pub(super) struct Marks(Mutex<State>);

#[derive(Default)]
struct State {
    /// Names experiment and arm.
    of: [String; 2],
    load: Option<Load>,
    steps: BTreeMap<String, SystemTime>,
}

struct Load {
    phases: Vec<Phase>,
    began: Instant,
}

impl Marks {
    /// What follows is for this arm of an experiment.
    pub(super) fn enter(&self, experiment: &str, arm: &str) {
        let mut state = self.state();
        state.of = [experiment, arm].map(str::to_owned);
        state.load = None;
    }

    /// A load begins now.
    pub(super) fn begin(&self, phases: &[Phase]) {
        self.state().load = Some(Load {
            phases: phases.to_vec(),
            began: Instant::now(),
        });
    }

    /// Something is done to the shop now.
    pub(super) fn step(&self, what: String) {
        self.state().steps.insert(what, SystemTime::now());
    }

    /// Adds all of it in the Prometheus text format.
    pub(super) fn write(&self, text: &mut String) {
        let state = self.state();
        let phase = state
            .load
            .as_ref()
            .and_then(|it| it.phase(it.began.elapsed()));
        if let Some(phase) = phase {
            let [experiment, arm] = state.of.each_ref().map(|it| escaped(it));
            let phase = escaped(phase);
            // Writing to a text does not fail.
            let _ = writeln!(
                text,
                "# TYPE {LOADTEST_PHASE} gauge\n{LOADTEST_PHASE}{{experiment=\"{experiment}\",arm=\"{arm}\",phase=\"{phase}\"}} 1"
            );
        }
        if !state.steps.is_empty() {
            let _ = writeln!(text, "# TYPE {LOADTEST_STEP} gauge");
        }
        for (what, at) in &state.steps {
            let at = at.duration_since(SystemTime::UNIX_EPOCH);
            let at = at.unwrap_or_default().as_secs_f64();
            let what = escaped(what);
            let _ = writeln!(text, "{LOADTEST_STEP}{{step=\"{what}\"}} {at:.3}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load {
    /// The phase that goes on after so long.
    fn phase(&self, since: Duration) -> Option<&str> {
        let mut left = since.as_secs_f64();
        let phase = self.phases.iter().find(|it| {
            left -= it.seconds;
            left < 0.0
        });
        phase.map(|it| it.name.as_str())
    }
}

/// As the value of a label is written.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Arrivals;

    fn written(marks: &Marks) -> String {
        let mut text = String::new();
        marks.write(&mut text);
        text
    }

    #[test]
    fn the_phase_that_goes_on_is_told_and_none_when_all_are_over() {
        let phase = |name: &str, seconds| Phase {
            name: name.into(),
            seconds,
            arrivals: Arrivals::Constant { rate: 1.0 },
        };
        let marks = Marks::default();
        assert_eq!(written(&marks), "");
        marks.enter("overload", "stock");
        marks.begin(&[phase("trigger", 3_600.0)]);
        assert_eq!(
            written(&marks),
            "# TYPE loadtest_phase gauge\nloadtest_phase{experiment=\"overload\",arm=\"stock\",phase=\"trigger\"} 1\n"
        );
        marks.enter("overload", "protected");
        assert_eq!(written(&marks), "", "it has not begun");
        let load = Load {
            phases: vec![phase("before", 2.0), phase("after", 2.0)],
            began: Instant::now(),
        };
        let at = |millis| load.phase(Duration::from_millis(millis));
        assert_eq!(
            [at(0), at(1_999), at(2_000), at(4_000)],
            [Some("before"), Some("before"), Some("after"), None]
        );
    }

    #[test]
    fn a_step_tells_when_it_was_done_last_whatever_it_is_called() {
        let marks = Marks::default();
        let before = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        marks.step("fault \"slow\\\"\nat catalog".into());
        let text = written(&marks);
        let line = "loadtest_step_timestamp_seconds{step=\"fault \\\"slow\\\\\\\"\\nat catalog\"} ";
        let at: f64 = text
            .lines()
            .nth(1)
            .unwrap()
            .strip_prefix(line)
            .unwrap()
            .parse()
            .unwrap();
        // Written in milliseconds.
        assert!((at - before).abs() < 60.0 && at >= before - 0.001);
    }
}
