//! What a fault of one service does to requests that need it, and to those that do not.
//!
//! The same route is compared with itself, while the fault is on and while none is, in one run. Margins are declared here, beforehand: a
//! route that does not need the faulty service may have half a percentage point more errors, and its latency (95th percentile) may
//! double, or be within the time that pages are promised in. The blast radius is the share of requests on such routes that are beyond
//! their margin; it must be 0.

mod callers;
mod trial;

use std::{collections::BTreeMap, time::Duration};

pub(crate) use self::trial::{Protection, Trial};
use self::{
    callers::{Calls, closes, ejects, fills, leaves_alone, opens, tries_again},
    trial::{Seen, held},
};
use super::validity;
use crate::{
    engine::{Attempt, micros},
    measurement::{Measurement, PhaseTime},
    statistics::to_f64,
    table::{Cell, Table},
    verdict::{Check, Group, Outcome},
};

/// Phases in which nothing is wrong begin so; the first follows the warm-up.
const CALM: &str = "calm";
const WARM_UP: &str = "warm-up";
/// What the fault before it has left behind is over so long after a calm phase has begun.
const RECOVERED: Duration = callers::CLOSES;
/// So much larger may the share of errors be, ...
const MORE_ERRORS: f64 = 0.005;
/// ... so many times as long the latency, ...
const SLOWER: f64 = 2.0;
/// ... unless it is within this, in microseconds: what pages are promised in.
const FAST_US: u64 = 100_000;
/// With fewer requests nothing is said of latencies.
const ENOUGH: usize = 15;

/// All that is judged of these trials, in their order.
pub(crate) fn checks(trials: &[Trial], it: &Measurement) -> Vec<Check> {
    judge(trials, &Seen::from(it))
}

fn judge(trials: &[Trial], it: &Seen<'_>) -> Vec<Check> {
    let calls = Calls::of(it);
    let mut checks = Vec::new();
    for trial in trials {
        let Some(phase) = phase(it, trial.name) else {
            continue;
        };
        checks.push(blast_radius(trial, phase, it));
        let open_from = match trial.faulty {
            Some(faulty) if trial.opens() => {
                let opened = calls.first_rejected(faulty, phase);
                checks.push(opens(trial, phase, opened));
                checks.push(leaves_alone(trial, phase, &calls, faulty, opened));
                checks.push(closes(trial, phase, &calls, faulty));
                opened.map(|it| it + Duration::from_millis(100))
            }
            _ => None,
        };
        if let Some(faulty) = trial.faulty {
            for protection in trial.acts {
                checks.extend(match protection {
                    Protection::Breaker => None,
                    Protection::Bulkhead => Some(fills(trial, it, faulty)),
                    Protection::Retries => Some(tries_again(trial, phase, &calls, faulty)),
                    Protection::Ejection => Some(ejects(trial, phase, it, faulty)),
                });
            }
        }
        if !trial.degrade.is_empty() {
            checks.push(degrades(trial, phase, it));
        }
        if trial.opens() {
            checks.push(fast(trial, phase, open_from, it));
        }
    }
    checks
}

/// Every route in every trial.
pub(crate) fn table(trials: &[Trial], it: &Measurement) -> Table {
    let it = &Seen::from(it);
    let mut rows = Vec::new();
    for trial in trials {
        let Some(phase) = phase(it, trial.name) else {
            continue;
        };
        for (route, (calm, fault)) in routes(phase, it) {
            let part = if trial.fails(route) {
                "needs it"
            } else if trial.degrade.contains(&route) {
                "degrades"
            } else {
                "does not need it"
            };
            let seconds = |slice: &Slice| Cell::Seconds(slice.p95().map(|it| to_f64(it) / 1e6));
            rows.push(vec![
                Cell::Text(trial.name.to_owned()),
                Cell::Text(route.to_owned()),
                Cell::Text(part.to_owned()),
                Cell::Count(fault.latencies.len()),
                Cell::Text(format!("{:.1} %", 100.0 * calm.failing())),
                Cell::Text(format!("{:.1} %", 100.0 * fault.failing())),
                seconds(&calm),
                seconds(&fault),
            ]);
        }
    }
    Table {
        title: "Each route while a service is at fault, and while none is",
        columns: &COLUMNS,
        rows,
    }
}

const COLUMNS: [&str; 8] = [
    "fault",
    "route",
    "",
    "requests",
    "errors without",
    "errors with",
    "p95 without",
    "p95 with",
];

fn phase<'a>(it: &Seen<'a>, name: &str) -> Option<&'a PhaseTime> {
    it.phases.iter().find(|it| it.name == name)
}

/// Requests of one route in some of the time.
#[derive(Debug, Default)]
struct Slice {
    latencies: Vec<u64>,
    failed: usize,
}

impl Slice {
    fn add(&mut self, attempt: &Attempt) {
        self.latencies.push(attempt.latency_us());
        self.failed += usize::from(attempt.error.is_some());
    }

    fn failing(&self) -> f64 {
        to_f64(self.failed as u64) / to_f64(self.latencies.len().max(1) as u64)
    }

    /// In microseconds; none of too few.
    fn p95(&self) -> Option<u64> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        (sorted.len() >= ENOUGH).then(|| sorted[sorted.len() * 95 / 100])
    }
}

/// Each route while nothing is wrong, and in `phase`.
fn routes<'a>(phase: &PhaseTime, it: &Seen<'a>) -> BTreeMap<&'a str, (Slice, Slice)> {
    let (from, to) = (micros(phase.from), micros(phase.to));
    let phases = it.phases;
    let mut calm = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        let before = index.checked_sub(1).map(|it| phases[it].name.as_str());
        let faultless = before.is_none_or(|it| it == WARM_UP);
        if phase.name.starts_with(CALM) {
            let recovering = if faultless { Duration::ZERO } else { RECOVERED };
            calm.push(micros(phase.from + recovering)..micros(phase.to));
        }
    }
    let mut routes: BTreeMap<&str, (Slice, Slice)> = BTreeMap::new();
    for attempt in it.attempts {
        let at = attempt.intended_us;
        let slices = routes.entry(&attempt.route).or_default();
        if (from..to).contains(&at) {
            slices.1.add(attempt);
        } else if calm.iter().any(|it| it.contains(&at)) {
            slices.0.add(attempt);
        }
    }
    routes
}

fn blast_radius(trial: &Trial, phase: &PhaseTime, it: &Seen<'_>) -> Check {
    let mut beyond = Vec::new();
    let (mut affected, mut all, mut failing) = (0, 0, false);
    for (route, (calm, fault)) in routes(phase, it) {
        if trial.fails(route) || trial.degrade.contains(&route) {
            continue;
        }
        let count = fault.latencies.len();
        all += count;
        let errors = fault.failing() - calm.failing();
        let slower = match (calm.p95(), fault.p95()) {
            (Some(before), Some(p95)) => p95 > FAST_US && to_f64(p95) > SLOWER * to_f64(before),
            _ => false,
        };
        failing |= errors > MORE_ERRORS;
        if errors > MORE_ERRORS || slower {
            affected += count;
            let millis = |it: &Slice| it.p95().map_or(0.0, |it| to_f64(it) / 1000.0);
            beyond.push(format!(
                "{route}: errors {:.1} % instead of {:.1} %, p95 {:.0} ms instead of {:.0} ms",
                100.0 * fault.failing(),
                100.0 * calm.failing(),
                millis(&fault),
                millis(&calm),
            ));
        }
    }
    let sham = trial.faulty.is_none();
    let outcome = match (all, affected) {
        (0, _) => Outcome::Invalid,
        (_, 0) => Outcome::Pass,
        // A fault without effect that is felt is none: something else is.
        _ if sham => Outcome::Invalid,
        _ if !failing && it.late.is_some() => Outcome::Invalid,
        _ => Outcome::Fail,
    };
    let (group, what) = if sham {
        (Group::Validity, "nothing is felt")
    } else {
        (Group::Objective, "blast radius is 0")
    };
    Check::new(group, format!("{}: {what}", trial.name), outcome)
        .saw(
            format!("{affected} of {all} requests on routes beyond their margin"),
            "0: errors +0.5 points, p95 twice or 100 ms",
        )
        .because(beyond)
}

fn degrades(trial: &Trial, phase: &PhaseTime, it: &Seen<'_>) -> Check {
    let routes = routes(phase, it);
    let slices = trial.degrade.iter().filter_map(|it| routes.get(it));
    let (mut failed, mut all) = (0, 0);
    for (_, fault) in slices {
        failed += fault.failed;
        all += fault.latencies.len();
    }
    let what = format!("{} still answers", trial.degrade.join(", "));
    held(trial, &what, all > 0 && failed == 0)
        .saw(format!("{failed} of {all} requests failed"), "none fails")
}

/// Routes that need the faulty service, from the time on at which the breaker is open.
fn fast(trial: &Trial, phase: &PhaseTime, open_from: Option<Duration>, it: &Seen<'_>) -> Check {
    let what = if trial.degrade.is_empty() {
        "requests that need it fail fast"
    } else {
        "requests that degrade are fast"
    };
    let from = open_from.unwrap_or(phase.from);
    let time = micros(from)..micros(phase.to);
    let mut slice = Slice::default();
    for attempt in it.attempts {
        let route = attempt.route.as_str();
        let concerned = trial.fail.contains(&route) || trial.degrade.contains(&route);
        if concerned && time.contains(&attempt.intended_us) {
            slice.add(attempt);
        }
    }
    let limit = format!("p95 within {} ms while it is open", FAST_US / 1000);
    let Some(p95) = slice.p95() else {
        let saw = format!("{} requests", slice.latencies.len());
        return held(trial, what, false).saw(saw, limit);
    };
    validity::unless_delayed(held(trial, what, p95 <= FAST_US), it.late).saw(
        format!(
            "p95 {:.0} ms of {} requests",
            to_f64(p95) / 1000.0,
            slice.latencies.len()
        ),
        limit,
    )
}

#[cfg(test)]
mod tests;
