//! What became of the requests of each route while something was done to one service.

use std::collections::BTreeMap;

use crate::{
    engine::Attempt,
    measurement::{Measurement, PhaseTime},
    statistics::to_f64,
};

/// The share of its requests, ...
const DIES: f64 = 0.1;
/// ... and the fewest, that fail when a route dies.
const FEWEST: u64 = 3;

/// The requests of a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) requests: u64,
    pub(super) failed: u64,
}

/// By route.
pub(super) type Fates = BTreeMap<String, Fate>;

pub(super) fn dies(it: Fate) -> bool {
    it.failed >= FEWEST && to_f64(it.failed) >= DIES * to_f64(it.requests)
}

/// What became of those that were due in a phase.
pub(super) fn in_phase(it: &Measurement, phase: &str) -> Fates {
    let attempts = &it.clients.load.attempts;
    let phase = it.clients.phase(phase);
    phase.map_or_else(Fates::new, |it| of(attempts, it))
}

pub(super) fn of(attempts: &[Attempt], phase: &PhaseTime) -> Fates {
    let mut fates = Fates::new();
    for attempt in attempts.iter().filter(|it| phase.has(it)) {
        let fate = fates.entry(attempt.route.clone()).or_default();
        fate.requests += 1;
        fate.failed += u64::from(attempt.error.is_some());
    }
    fates
}

/// The routes that died in a phase, and how many there were.
pub(super) fn dead(it: &Measurement, phase: &str) -> (Vec<String>, usize) {
    let fates = in_phase(it, phase);
    let all = fates.len();
    let dead = fates.into_iter().filter(|it| dies(it.1));
    (dead.map(|it| it.0).collect(), all)
}

/// The latency at quantile `p` of what was due in a phase, of routes that `of_these`, in milliseconds.
pub(super) fn latency_ms(
    it: &Measurement,
    phase: &str,
    p: f64,
    of_these: impl Fn(&str) -> bool,
) -> Option<f64> {
    let phase = it.clients.phase(phase)?;
    let attempts = it.clients.load.attempts.iter();
    let attempts = attempts.filter(|it| phase.has(it) && of_these(&it.route));
    let mut histogram = crate::recording::histogram();
    for attempt in attempts {
        histogram.saturating_record(attempt.latency_us().max(1));
    }
    (!histogram.is_empty()).then(|| to_f64(histogram.value_at_quantile(p)) / 1000.0)
}
