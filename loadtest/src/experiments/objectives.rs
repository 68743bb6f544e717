//! What the shop promises: service level objectives, each a share of requests that may be bad.

use std::time::Duration;

use super::validity;
use crate::{
    recording::Recording,
    statistics::share,
    verdict::{Check, Group, Outcome, at_most},
};

/// What makes a request bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    /// It was no success.
    Failed,
    /// It was no success within this time.
    SlowerThan(Duration),
}

/// A service level objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Objective {
    name: &'static str,
    route: Option<&'static str>,
    bad: Bad,
    /// The share of requests that must be good.
    target: f64,
}

/// What browsing shoppers are promised. The latency is a bucket bound of the services' histograms, so that an alert can
/// ask for the same.
pub(crate) fn browsing() -> [Objective; 3] {
    let fast = Bad::SlowerThan(Duration::from_millis(100));
    [
        Objective {
            name: "browsing is available",
            route: None,
            bad: Bad::Failed,
            target: 0.999,
        },
        Objective {
            name: "lists are fast",
            route: Some("GET /products"),
            bad: fast,
            target: 0.99,
        },
        Objective {
            name: "product pages are fast",
            route: Some("GET /products/{id}"),
            bad: fast,
            target: 0.99,
        },
    ]
}

impl Objective {
    /// Judges one phase of a recording.
    pub(crate) fn check(&self, recording: &Recording, phase: u16) -> Check {
        let seconds: Vec<_> = recording
            .seconds(phase, self.route)
            .values()
            .map(|cell| {
                let total = cell.latency.len();
                let bad = match self.bad {
                    Bad::Failed => cell.errors,
                    Bad::SlowerThan(limit) => {
                        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
                        let slow = total - cell.latency.count_between(0, limit);
                        // Errors are mostly fast; those that are not count once.
                        (slow + cell.errors).min(total)
                    }
                };
                (bad, total)
            })
            .collect();
        let Some(estimate) = share(&seconds) else {
            return Check::new(Group::Objective, self.name, Outcome::Invalid)
                .saw("no request", self.promise());
        };
        let limit = 1.0 - self.target;
        let percent = |share: f64| format!("{:.2} %", 100.0 * (1.0 - share));
        let observed = format!(
            "{} of {} ({} to {})",
            percent(estimate.value),
            seconds.iter().map(|it| it.1).sum::<u64>(),
            percent(estimate.high),
            percent(estimate.low),
        );
        let mut outcome = at_most(estimate, limit);
        let mut details = Vec::new();
        if outcome == Outcome::Fail && self.bad != Bad::Failed && validity::late(recording) {
            outcome = Outcome::Invalid;
            details.push("the generator was late, and its own delay counts as latency".to_owned());
        }
        let mut check = Check::new(Group::Objective, self.name, outcome)
            .saw(observed, self.promise())
            .because(details);
        check.estimate = Some(estimate);
        check
    }

    fn promise(&self) -> String {
        let what = match self.bad {
            Bad::Failed => "succeed".to_owned(),
            Bad::SlowerThan(limit) => format!("succeed within {} ms", limit.as_millis()),
        };
        let target = (self.target * 1000.0).round() / 10.0;
        format!("{target} % {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Attempt;

    /// A thousand requests that were sent and answered so long after they should have been sent; one in `bad` failed.
    fn recording(sent_us: i64, done_us: i64, bad: usize) -> Recording {
        let attempts: Vec<_> = (0..1000)
            .map(|it| Attempt {
                id: format!("r-{it}"),
                phase: 0,
                route: "GET /products".into(),
                intended_us: 0,
                sent_us,
                done_us,
                status: Some(if it % bad == 0 { 500 } else { 200 }),
                error: (it % bad == 0).then(|| "status 500".into()),
            })
            .collect();
        Recording::of(&attempts)
    }

    #[test]
    fn a_late_generator_makes_a_missed_latency_invalid_and_an_error_stays_an_error() {
        let [available, fast, _] = browsing();
        let slow_shop = recording(1_000, 150_000, 1001);
        assert_eq!(fast.check(&slow_shop, 0).outcome, Outcome::Fail);
        let late = recording(120_000, 150_000, 10);
        assert_eq!(fast.check(&late, 0).outcome, Outcome::Invalid);
        assert_eq!(available.check(&late, 0).outcome, Outcome::Fail);
    }
}
