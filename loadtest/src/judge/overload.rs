//! What is asked of a shop that is given more than it has room for.
//!
//! What is small is shown and not judged: a good share that is a little below what is expected is inconclusive, and fails only where
//! the effect cannot be noise.

use std::time::Duration;

use telemetry::names;

use crate::{
    engine::Attempt,
    measurement::{Measurement, PhaseTime},
    table::{Cell, Table},
    verdict::{Check, Group, Outcome, graded},
};

/// The phase in which there is as much to do as there is room for.
pub(crate) const CAPACITY: &str = "capacity";
/// The phase in which there is three times as much.
pub(crate) const OVERLOAD: &str = "overload";

/// Routes that need what there is too little of.
const ROUTES: [&str; 3] = ["GET /products", "GET /products/{id}", "POST /orders"];
const CHECKOUT: &str = "POST /orders";
/// An answer that comes later is as good as none. Workers are slow here, so this is longer than what the shop promises.
const IN_TIME: Duration = Duration::from_millis(500);
/// Who is refused is told within this time, which is little beside that of an answer.
const AT_ONCE: Duration = Duration::from_millis(50);
/// How much of what is good at capacity must be good under overload, ...
const KEPT: f64 = 0.9;
/// ... and what is no noise any more.
const COLLAPSED: f64 = 0.5;
/// How many checkouts must be good.
const CHECKOUTS: f64 = 0.99;
/// How many requests a check names.
const NAMED: usize = 5;
/// Overload is what asks for so much more than capacity, at least.
const MORE: f64 = 2.0;

/// What came of the requests of one phase.
#[derive(Debug, Default)]
struct Outcomes {
    seconds: f64,
    asked: f64,
    good: f64,
    refused: f64,
    checkouts: f64,
    good_checkouts: f64,
    /// Half of the refusals came sooner.
    refused_within: Duration,
    /// Requests that were not good.
    bad: Vec<String>,
    /// The same of checkouts.
    bad_checkouts: Vec<String>,
}

impl Outcomes {
    fn of(attempts: &[Attempt], phases: &[PhaseTime], name: &str) -> Option<Self> {
        let phase = phases.iter().find(|it| it.name == name)?;
        let within = |it: &&Attempt| phase.has(it) && ROUTES.contains(&it.route.as_str());
        let mut outcomes = Self {
            seconds: phase.length().as_secs_f64(),
            ..Self::default()
        };
        let mut refusals = Vec::new();
        for it in attempts.iter().filter(within) {
            let good = it.error.is_none() && micros(it.latency_us()) <= IN_TIME;
            let count = |field: &mut f64, counts: bool| *field += f64::from(u8::from(counts));
            count(&mut outcomes.asked, true);
            count(&mut outcomes.good, good);
            count(&mut outcomes.checkouts, it.route == CHECKOUT);
            count(&mut outcomes.good_checkouts, it.route == CHECKOUT && good);
            if !good && outcomes.bad.len() < NAMED {
                outcomes.bad.push(it.id.clone());
            }
            if !good && it.route == CHECKOUT && outcomes.bad_checkouts.len() < NAMED {
                outcomes.bad_checkouts.push(it.id.clone());
            }
            if it.status == Some(503) {
                outcomes.refused += 1.0;
                refusals.push(micros(it.latency_us()));
            }
        }
        refusals.sort();
        outcomes.refused_within = refusals
            .get(refusals.len() / 2)
            .copied()
            .unwrap_or_default();
        Some(outcomes)
    }

    fn goodput(&self) -> f64 {
        self.good / self.seconds
    }
}

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

/// What shoppers must not notice.
pub(crate) fn promises(it: &Measurement) -> Vec<Check> {
    let checks = phases(it).map(|(at, over)| [goodput(&at, &over), checkouts(&over)]);
    checks.into_iter().flatten().collect()
}

/// What those are promised for whom there is no room.
pub(crate) fn refusals(it: &Measurement) -> Vec<Check> {
    phases(it)
        .map(|(_, over)| told(&over))
        .into_iter()
        .collect()
}

/// Whether there was overload.
pub(crate) fn offered(it: &Measurement) -> Vec<Check> {
    let felt = phases(it).map(|(at, over)| felt(&at, &over));
    felt.into_iter().collect()
}

fn phases(it: &Measurement) -> Option<(Outcomes, Outcomes)> {
    let of = |name| Outcomes::of(&it.clients.load.attempts, &it.clients.phases, name);
    of(CAPACITY).zip(of(OVERLOAD))
}

fn felt(at: &Outcomes, over: &Outcomes) -> Check {
    let more = over.asked / over.seconds / (at.asked / at.seconds);
    let outcome = Outcome::pass_or_invalid(more >= MORE);
    Check::new(Group::Validity, "there was overload", outcome).saw(
        format!("{more:.1} times as many requests as at capacity"),
        format!("at least {MORE} times as many"),
    )
}

fn goodput(at: &Outcomes, over: &Outcomes) -> Check {
    let kept = over.goodput() / at.goodput();
    let outcome = graded(kept, KEPT, COLLAPSED);
    let check = Check::new(Group::Objective, "goodput holds under overload", outcome).saw(
        format!(
            "{:.0} good answers a second, {:.0} at capacity: {:.0} %",
            over.goodput(),
            at.goodput(),
            100.0 * kept
        ),
        format!("at least {:.0} %", 100.0 * KEPT),
    );
    check.naming(&over.bad)
}

fn checkouts(over: &Outcomes) -> Check {
    let share = over.good_checkouts / over.checkouts;
    let outcome = graded(share, CHECKOUTS, COLLAPSED);
    let check = Check::new(Group::Objective, "checkouts come first", outcome).saw(
        format!(
            "{} of {} good under overload",
            over.good_checkouts, over.checkouts
        ),
        format!("at least {:.0} %", 100.0 * CHECKOUTS),
    );
    check.naming(&over.bad_checkouts)
}

fn told(over: &Outcomes) -> Check {
    let slow = over.refused_within.as_secs_f64() / AT_ONCE.as_secs_f64();
    let outcome = match over.refused {
        0.0 => Outcome::Fail,
        _ => graded(1.0 / slow, 1.0, COLLAPSED),
    };
    Check::new(Group::Objective, "who is refused is told at once", outcome).saw(
        format!(
            "{} refused, half of them within {:.1} ms",
            over.refused,
            1000.0 * over.refused_within.as_secs_f64()
        ),
        format!("some, and half of them within {} ms", AT_ONCE.as_millis()),
    )
}

/// What came of both phases.
pub(crate) fn table(it: &Measurement) -> Table {
    let rows = [CAPACITY, OVERLOAD].into_iter().filter_map(|name| {
        let it = Outcomes::of(&it.clients.load.attempts, &it.clients.phases, name)?;
        let rate = |count: f64| Cell::Text(format!("{:.1}", count / it.seconds));
        Some(vec![
            Cell::Text(name.to_owned()),
            rate(it.asked),
            rate(it.good),
            rate(it.refused),
            Cell::Text(format!("{} of {}", it.good_checkouts, it.checkouts)),
        ])
    });
    Table {
        title: "Requests that need the catalogue, a second",
        columns: &["phase", "asked", "good", "refused", "checkouts good"],
        rows: rows.collect(),
    }
}

/// The least and the most that the limit of each service was, by what it was asked every second.
pub(crate) fn limits(it: &Measurement) -> Table {
    let rows = it.evidence.iter().filter_map(|(service, testimony)| {
        let scrapes = testimony.scrapes.iter().flatten();
        let limits = scrapes.map(|it| it.exposition.sum(names::ADMISSION_LIMIT));
        let (least, most) = limits.fold((f64::MAX, 0.0_f64), |(least, most), it| {
            (least.min(it), most.max(it))
        });
        (most > 0.0).then(|| {
            vec![
                Cell::Text(service.to_string()),
                Cell::Text(format!("{least}")),
                Cell::Text(format!("{most}")),
                Cell::Text(format!("{}", testimony.growth(names::ADMISSION_SHED))),
            ]
        })
    });
    Table {
        title: "How many requests each service let in at once",
        columns: &["service", "least limit", "most", "refused"],
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(route: &str, second: i64, latency_ms: i64, status: u16) -> Attempt {
        let intended_us = second * 1_000_000;
        Attempt {
            id: "r".into(),
            phase: 0,
            route: route.into(),
            intended_us,
            sent_us: intended_us,
            done_us: intended_us + latency_ms * 1_000,
            status: Some(status),
            error: (status >= 400).then(String::new),
            order: None,
            product: None,
        }
    }

    /// Ten good answers at capacity, and these under overload.
    fn outcomes(overload: Vec<Attempt>) -> (Outcomes, Outcomes) {
        let phases = [(CAPACITY, 0, 10), (OVERLOAD, 10, 20)];
        let phases = phases.map(|(name, from, to)| PhaseTime {
            name: name.into(),
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
        });
        let page = |it| attempt("GET /products", it, 100, 200);
        let attempts: Vec<_> = (0..10).map(page).chain(overload).collect();
        let of = |name| Outcomes::of(&attempts, &phases, name).unwrap();
        (of(CAPACITY), of(OVERLOAD))
    }

    #[test]
    fn goodput_is_what_comes_in_time() {
        use Outcome::{Fail, Inconclusive, Pass};
        for (good, outcome) in [(12, Pass), (9, Pass), (7, Inconclusive), (4, Fail)] {
            let pages = (0..30).map(|it| {
                let late = if it < good { 100 } else { 600 };
                attempt("GET /products/{id}", 10 + it % 10, late, 200)
            });
            let elsewhere = attempt("GET /search", 12, 100, 200);
            let (at, over) = outcomes(pages.chain([elsewhere]).collect());
            assert_eq!(goodput(&at, &over).outcome, outcome, "{good}");
            assert_eq!(felt(&at, &over).outcome, Pass);
        }
        let (at, over) = outcomes(vec![attempt("GET /products", 10, 10, 200)]);
        assert_eq!(felt(&at, &over).outcome, Outcome::Invalid);
    }

    #[test]
    fn a_refused_checkout_is_one_too_many_and_refusals_must_be_quick() {
        let order = |it: i64, status| attempt(CHECKOUT, 10 + it % 10, 6, status);
        let (_, over) = outcomes((0..50).map(|it| order(it, 202)).collect());
        assert_eq!(checkouts(&over).outcome, Outcome::Pass);
        assert_eq!(told(&over).outcome, Outcome::Fail, "nobody was refused");
        let (_, over) = outcomes(
            (0..50)
                .map(|it| order(it, if it < 5 { 503 } else { 202 }))
                .collect(),
        );
        assert_eq!(checkouts(&over).outcome, Outcome::Inconclusive);
        assert_eq!(told(&over).outcome, Outcome::Pass);
        let slow = (0..9).map(|it| attempt("GET /products", 10 + it, 120, 503));
        assert_eq!(told(&outcomes(slow.collect()).1).outcome, Outcome::Fail);
    }
}
