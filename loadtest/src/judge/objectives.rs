//! What the shop promises: service level objectives, each a share of requests that may be bad.
//!
//! They follow from `observability/slo.yaml` ([`slo::shop`]), and are judged on the measured phase alone, and by what the clients saw
//! alone: after each look (see [`super::looks`]). Where time counts this is stricter than the alerts, to which a request that failed is
//! not late: here it is. What no client sees, such as the freshness of the index, is left to the alerts.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
    time::Duration,
};

use api::OrderStatus;
use slo::Slo;

use super::validity;
use crate::{
    engine::Attempt,
    measurement::ClientView,
    recording::Recording,
    statistics::{Confidence, share},
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
    routes: &'static [&'static str],
    bad: Bad,
    /// The share of requests that must be good.
    target: f64,
}

/// What shoppers are promised of requests.
static OBJECTIVES: LazyLock<Vec<Objective>> =
    LazyLock::new(|| slo::shop().iter().filter_map(Objective::of).collect());

/// What they are promised of orders.
const COMPLETION: &str = "order-completion";

/// Every objective of the shop.
pub(crate) fn all(it: &ClientView) -> Vec<Check> {
    let mut checks = these(&OBJECTIVES, it);
    let promised = slo::shop().iter().find(|it| it.name == COMPLETION);
    let completion = |phase| {
        Some(completion(
            promised?,
            &it.load.attempts,
            phase,
            it.confidence,
        ))
    };
    checks.extend(it.measured.and_then(completion));
    checks
}

/// These objectives, on the measured phase; nothing where nothing was measured.
pub(crate) fn these(objectives: &[Objective], it: &ClientView) -> Vec<Check> {
    let judge = |objective: &Objective| {
        let phase = it.measured?;
        Some(objective.check(&it.recording, phase, it.stolen, it.confidence))
    };
    objectives.iter().filter_map(judge).collect()
}

/// The objectives called `names`, on the phase called `phase`.
pub(crate) fn during(phase: &str, names: &[&str], it: &ClientView) -> Vec<Check> {
    let at = it.phases.iter().position(|it| it.name == phase);
    let Some(at) = at.and_then(|it| u16::try_from(it).ok()) else {
        return Vec::new();
    };
    let named = OBJECTIVES.iter().filter(|it| names.contains(&it.name));
    named
        .map(|objective| objective.check(&it.recording, at, it.stolen, it.confidence))
        .collect()
}

impl Objective {
    /// So large a share of requests to `routes` succeeds.
    pub(crate) const fn available(
        name: &'static str,
        routes: &'static [&'static str],
        target: f64,
    ) -> Self {
        Self {
            name,
            routes,
            bad: Bad::Failed,
            target,
        }
    }

    /// What clients see of a promise; none if it is not about requests.
    fn of(slo: &'static Slo) -> Option<Self> {
        // They are promised once, and for as long as the process lives.
        let routes = slo.indicator.routes().into_iter().map(|it| &*it.leak());
        let routes: &'static [&'static str] = routes.collect::<Vec<_>>().leak();
        let bad = match slo.indicator.limit() {
            None => Bad::Failed,
            Some(limit) => Bad::SlowerThan(limit),
        };
        (!routes.is_empty()).then(|| Self {
            name: &slo.title,
            routes,
            bad,
            target: slo.target(),
        })
    }

    /// Judges one phase of a recording, during which others took a share of the processor time, if that is known.
    fn check(
        &self,
        recording: &Recording,
        phase: u16,
        stolen: Option<f64>,
        confidence: Confidence,
    ) -> Check {
        let seconds: Vec<_> = recording
            .seconds(phase, self.routes)
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
        let check = judge(self.name, self.promise(), self.target, &seconds, confidence);
        match self.bad {
            Bad::Failed => check,
            Bad::SlowerThan(_) => {
                validity::unless_delayed(check, validity::delayed(recording, stolen))
            }
        }
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

/// Orders are final, for the eyes of their buyers, in time.
fn completion(slo: &Slo, attempts: &[Attempt], phase: u16, confidence: Confidence) -> Check {
    let limit = slo.indicator.limit().unwrap_or(Duration::MAX);
    let micros = i64::try_from(limit.as_micros()).unwrap_or(i64::MAX);
    let mut ends: HashMap<&str, i64> = HashMap::new();
    for attempt in attempts {
        if let Some(order) = attempt.order.as_ref()
            && order.status != OrderStatus::Pending
        {
            ends.entry(&order.id).or_insert(attempt.done_us);
        }
    }
    let mut seconds: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for attempt in attempts
        .iter()
        .filter(|it| it.phase == phase && it.acknowledged_order())
    {
        let Some(order) = &attempt.order else {
            continue;
        };
        let end = ends.get(order.id.as_str());
        let late = end.is_none_or(|end| end - attempt.intended_us > micros);
        let second = seconds.entry(attempt.intended_us / 1_000_000).or_default();
        second.0 += u64::from(late);
        second.1 += 1;
    }
    let seconds: Vec<_> = seconds.into_values().collect();
    let promise = format!("{} final within {} s", slo.percent(), limit.as_secs());
    judge(&slo.title, promise, slo.target(), &seconds, confidence)
}

/// The share of good requests against `target`; `seconds` are pairs of bad and all.
fn judge(
    name: &str,
    promise: String,
    target: f64,
    seconds: &[(u64, u64)],
    confidence: Confidence,
) -> Check {
    let Some(estimate) = share(seconds, confidence) else {
        return Check::new(Group::Objective, name, Outcome::Invalid).saw("no request", promise);
    };
    let limit = 1.0 - target;
    let total = seconds.iter().map(|it| it.1).sum::<u64>();
    let percent = |share: f64| format!("{:.2} %", 100.0 * (1.0 - share));
    let observed = format!(
        "{} of {total} ({} to {})",
        percent(estimate.value),
        percent(estimate.high),
        percent(estimate.low),
    );
    let mut check = Check::new(Group::Objective, name, at_most(estimate, limit));
    check.estimate = Some(estimate);
    // Even without a single bad request so few would prove nothing; a miss they can still show.
    let flawless = share(&[(0, total)], confidence).map(|it| at_most(it, limit));
    if check.outcome == Outcome::Inconclusive && flawless == Some(Outcome::Inconclusive) {
        check.counts = false;
        return check.saw(format!("{observed}, too few to tell"), promise);
    }
    check.saw(observed, promise)
}

#[cfg(test)]
mod tests {
    use super::*;

    const P95: Confidence = Confidence::P95;

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
                order: None,
                product: None,
            })
            .collect();
        Recording::of(&attempts)
    }

    /// What was promised before it was data, and is not loosened unseen.
    #[test]
    fn shoppers_are_promised_what_they_were_promised() {
        let failed = |name, routes, target| Objective::available(name, routes, target);
        let fast = |name, routes, limit| Objective {
            bad: Bad::SlowerThan(Duration::from_millis(limit)),
            ..Objective::available(name, routes, 0.99)
        };
        assert_eq!(
            *OBJECTIVES,
            [
                failed(
                    "browsing is available",
                    &["GET /products", "GET /products/{id}"],
                    0.999
                ),
                fast("lists are fast", &["GET /products"], 100),
                fast("product pages are fast", &["GET /products/{id}"], 100),
                failed("search is available", &["GET /search"], 0.995),
                fast("search is fast", &["GET /search"], 250),
                failed("checkout is available", &["POST /orders"], 0.999),
                fast("checkout is fast", &["POST /orders"], 250),
            ]
        );
        let completion = slo::shop().iter().find(|it| it.name == COMPLETION).unwrap();
        assert_eq!(completion.title, "orders are completed");
        assert_eq!(completion.indicator.limit(), Some(Duration::from_secs(10)));
        assert_eq!(completion.percent(), "99 %");
    }

    #[test]
    fn a_machine_that_was_late_makes_a_missed_latency_invalid_and_an_error_stays_an_error() {
        let [available, fast, ..] = OBJECTIVES[..] else {
            panic!("expected objectives of browsing first")
        };
        let slow_shop = recording(1_000, 150_000, 10);
        for (stolen, outcome) in [
            (None, Outcome::Fail),
            (Some(0.05), Outcome::Fail),
            (Some(0.06), Outcome::Invalid),
        ] {
            assert_eq!(fast.check(&slow_shop, 0, stolen, P95).outcome, outcome);
            let errors = available.check(&slow_shop, 0, stolen, P95);
            assert_eq!(errors.outcome, Outcome::Fail);
        }
        let late_generator = recording(120_000, 150_000, 10);
        assert_eq!(
            fast.check(&late_generator, 0, None, P95).outcome,
            Outcome::Invalid
        );
        assert_eq!(
            available.check(&late_generator, 0, None, P95).outcome,
            Outcome::Fail
        );
    }
}
