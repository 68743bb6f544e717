//! Whether the shop comes back when what was too much for it is over, or its own retries keep it down: it is metastable then (Bronson et
//! al., "Metastable Failures in Distributed Systems", `HotOS` 2021).

use std::{collections::HashMap, ops::Range, time::Duration};

use telemetry::attributes;

use crate::{
    deployment::Service,
    engine::{Attempt, micros},
    evidence::otlp::{Kind, Span},
    measurement::Measurement,
    statistics::to_f64,
    table::{Cell, Table},
    verdict::{Check, Group, Outcome, graded},
};

/// The phase in which there is room.
pub(crate) const BEFORE: &str = "before";
/// The phase in which there is not.
pub(crate) const TRIGGER: &str = "trigger";
/// The phase in which there is again.
pub(crate) const AFTER: &str = "after";

/// The shop is back so long after the trigger.
const BACK: Duration = Duration::from_secs(10);
/// An answer that comes later is as good as none.
const IN_TIME: Duration = Duration::from_millis(500);
/// How much of what is good before must be good again, ...
const KEPT: f64 = 0.9;
/// ... and what is a collapse.
const COLLAPSED: f64 = 0.5;
/// A trigger asks for so much more than before: four times, less chance.
const MORE: f64 = 3.0;
/// The longest that a call goes on, with all its tries.
const CALL: Duration = Duration::from_secs(2);
/// The share of requests that must be good before.
const WELL: f64 = 0.95;

/// A stretch of time, in microseconds since the first arrival was due.
type Stretch = Range<i64>;

fn stretch(it: &Measurement, name: &str) -> Option<Stretch> {
    let phase = it.clients.phase(name)?;
    Some(micros(phase.from)..micros(phase.to))
}

/// What came of the requests of a stretch.
struct Asked<'a> {
    all: usize,
    bad: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn of(attempts: &'a [Attempt], time: &Stretch) -> Self {
        let attempts = attempts.iter().filter(|it| time.contains(&it.intended_us));
        let bad =
            |it: &&Attempt| it.error.is_some() || Duration::from_micros(it.latency_us()) > IN_TIME;
        Self {
            all: attempts.clone().count(),
            bad: attempts.filter(bad).map(|it| it.id.as_str()).collect(),
        }
    }

    fn good(&self) -> f64 {
        to_f64((self.all - self.bad.len()) as u64)
    }

    fn share(&self) -> f64 {
        self.good() / to_f64(self.all.max(1) as u64)
    }
}

/// Whether the shop did well before, and then too much was asked of it.
pub(crate) fn felt(it: &Measurement) -> Vec<Check> {
    let both = stretch(it, BEFORE).zip(stretch(it, TRIGGER));
    let check = both.map(|times| {
        let attempts = &it.clients.load.attempts;
        let of = |time: &Stretch| Asked::of(attempts, time);
        let (before, trigger) = (of(&times.0), of(&times.1));
        let rate = |asked: &Asked<'_>, time: &Stretch| to_f64(asked.all as u64) / seconds(time);
        let more = rate(&trigger, &times.1) / rate(&before, &times.0);
        let outcome = Outcome::pass_or_invalid(more >= MORE && before.share() >= WELL);
        Check::new(Group::Validity, "there was a trigger", outcome).saw(
            format!(
                "{more:.1} times as many requests as before, when {:.1} % were good",
                100.0 * before.share()
            ),
            format!(
                "at least {MORE} times as many, and {:.0} % good before",
                100.0 * WELL
            ),
        )
    });
    check.into_iter().collect()
}

/// Whether the shop is as it was, some seconds after the trigger.
pub(crate) fn back(it: &Measurement) -> Vec<Check> {
    let both = stretch(it, BEFORE).zip(stretch(it, AFTER));
    let check = both.map(|(before, after)| {
        let attempts = &it.clients.load.attempts;
        let late = after.start + micros(BACK)..after.end;
        let (before, late) = (Asked::of(attempts, &before), Asked::of(attempts, &late));
        let kept = late.share() / before.share();
        let outcome = graded(kept, KEPT, COLLAPSED);
        let name = "goodput is back after the trigger";
        let check = Check::new(Group::Objective, name, outcome).saw(
            format!(
                "{} of {} good, {:.0} % of before, from {} s after it on",
                late.good(),
                late.all,
                100.0 * kept,
                BACK.as_secs()
            ),
            format!("at least {:.0} % of before", 100.0 * KEPT),
        );
        check.naming(late.bad)
    });
    check.into_iter().collect()
}

/// Whether retries are a small share of the calls, however many fail.
pub(crate) fn bounded(it: &Measurement) -> Vec<Check> {
    let Some(time) = stretch(it, TRIGGER) else {
        return Vec::new();
    };
    let time = time.start..time.end + micros(CALL);
    vec![judge_retries(&Calls::of(it), &time)]
}

fn judge_retries(calls: &Calls<'_>, time: &Stretch) -> Check {
    let (first, again) = calls.within(time);
    // A tenth, one a second, and ten that were saved up.
    let most = to_f64(first as u64) / 10.0 + seconds(time) + 10.0;
    let outcome = Outcome::pass_or_fail(to_f64(again as u64) <= most);
    let name = "retries stay within their budget";
    let named = calls.again.iter().filter(|it| time.contains(&it.0));
    Check::new(Group::Objective, name, outcome)
        .saw(
            format!("{again} retries of {first} calls during the trigger"),
            format!("at most {most:.0}"),
        )
        .naming(named.map(|it| it.1))
}

/// Calls of the gateway to the catalogue, each with the time at which its request was sent, and that.
struct Calls<'a> {
    first: Vec<(i64, &'a str)>,
    again: Vec<(i64, &'a str)>,
}

impl<'a> Calls<'a> {
    fn of(it: &'a Measurement) -> Self {
        let attempts = it.clients.load.attempts.iter();
        let sent: HashMap<_, _> = attempts.map(|it| (it.id.as_str(), it.sent_us)).collect();
        let spans = it.evidence.get(&Service::Gateway).map(|it| &it.spans);
        let to_catalog = |it: &&Span| {
            let server = it.attribute(attributes::SERVER_ADDRESS);
            it.kind == Kind::Client && server == Service::Catalog.name()
        };
        let calls = spans.into_iter().flatten().filter(to_catalog);
        let calls = calls.filter_map(|it| {
            let id = it.request_id();
            let resent = it.attribute(attributes::HTTP_REQUEST_RESEND_COUNT);
            Some((resent.is_empty(), (*sent.get(id)?, id)))
        });
        let (first, again): (Vec<_>, Vec<_>) = calls.partition(|it| it.0);
        let plain = |calls: Vec<(bool, (i64, &'a str))>| calls.into_iter().map(|it| it.1);
        Self {
            first: plain(first).collect(),
            again: plain(again).collect(),
        }
    }

    /// How many were made for the first time, and how many again.
    fn within(&self, time: &Stretch) -> (usize, usize) {
        let count = |of: &[(i64, &str)]| of.iter().filter(|it| time.contains(&it.0)).count();
        (count(&self.first), count(&self.again))
    }
}

fn seconds(time: &Stretch) -> f64 {
    let micros = u64::try_from(time.end - time.start).unwrap_or(0);
    Duration::from_micros(micros).as_secs_f64()
}

/// What came of each phase, and of each third of the last.
pub(crate) fn table(it: &Measurement) -> Table {
    let calls = Calls::of(it);
    let mut stretches = Vec::new();
    for name in [BEFORE, TRIGGER] {
        stretches.extend(stretch(it, name).map(|time| (name.to_owned(), time)));
    }
    if let Some(after) = stretch(it, AFTER) {
        let third = (after.end - after.start) / 3;
        for (number, name) in (0..).zip(["first", "second", "last"]) {
            let from = after.start + number * third;
            stretches.push((format!("{AFTER}, {name} third"), from..from + third));
        }
    }
    let rows = stretches.into_iter().map(|(name, time)| {
        let asked = Asked::of(&it.clients.load.attempts, &time);
        let (first, again) = calls.within(&time);
        let rate = |count: f64| Cell::Text(format!("{:.1}", count / seconds(&time)));
        vec![
            Cell::Text(name),
            rate(to_f64(asked.all as u64)),
            rate(asked.good()),
            rate(to_f64((first + again) as u64)),
            rate(to_f64(again as u64)),
        ]
    });
    Table {
        title: "Product pages, a second",
        columns: &[
            "phase",
            "asked",
            "good",
            "calls to the catalogue",
            "of them again",
        ],
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn page(second: i64, latency_ms: i64, status: u16) -> Attempt {
        Attempt {
            id: "r-1".into(),
            phase: 0,
            route: "GET /products/{id}".into(),
            intended_us: second * SECOND,
            sent_us: second * SECOND,
            done_us: second * SECOND + latency_ms * 1_000,
            status: Some(status),
            error: (status >= 400).then(String::new),
            order: None,
            product: None,
        }
    }

    #[test]
    fn good_is_what_is_answered_in_time_within_the_stretch() {
        let pages = [
            page(1, 100, 200),
            page(2, 700, 200),
            page(3, 10, 503),
            page(9, 10, 200),
        ];
        let asked = Asked::of(&pages, &(0..5 * SECOND));
        assert_eq!((asked.all, asked.bad.len()), (3, 2));
        assert!((asked.share() - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn retries_are_a_tenth_one_a_second_and_ten_that_were_saved() {
        let judge = |first: usize, again: usize| {
            let calls = Calls {
                first: vec![(SECOND, "r-1"); first],
                again: vec![(SECOND, "r-1"); again],
            };
            judge_retries(&calls, &(0..10 * SECOND))
        };
        assert_eq!(judge(100, 30).outcome, Outcome::Pass);
        let more = judge(100, 31);
        assert_eq!(more.outcome, Outcome::Fail);
        assert_eq!(more.request_ids, ["r-1"; 5]);
        assert_eq!(judge(0, 0).outcome, Outcome::Pass);
    }
}
