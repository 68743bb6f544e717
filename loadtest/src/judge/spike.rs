//! What becomes of ten times the orders.
//!
//! Payments works on so many events at once ([`messaging::PREFETCH`]), each of which waits for the provider: that is its rate, whatever
//! the machine could do. What comes faster waits its turn behind it.

use std::time::{Duration, UNIX_EPOCH};

use telemetry::attributes;

use super::validity;
use crate::{
    deployment::Service,
    engine::Attempt,
    evidence::otlp::{Kind, Span},
    measurement::Measurement,
    statistics::to_f64,
    table::{Cell, Table},
    verdict::{Check, Group, Outcome, graded},
};

/// The phase of the usual orders.
pub(crate) const BEFORE: &str = "before";
/// The phase of ten times as many.
pub(crate) const SPIKE: &str = "spike";
/// The phase in which they are worked off.
pub(crate) const AFTER: &str = "after";

/// The event that payments waits for the provider with.
const CHARGED_ON: &str = "stock.reserved";
/// Orders are taken within this time, as shoppers are promised.
const AT_ONCE: Duration = Duration::from_millis(250);
/// What comes within it is not all, on a busy machine ...
const MOST: f64 = 0.95;
/// ... and what is answered at all is nearly all.
const NEARLY_ALL: f64 = 0.99;
/// How near to the predicted rate orders must be worked off; every event takes a little longer than its provider.
const NEAR: f64 = 0.8;
/// What is no noise any more.
const HARM: f64 = 0.5;
/// The queue is full so long after the spike has begun ...
const FILLS: Duration = Duration::from_secs(2);
/// ... and not yet empty so long after its end.
const LASTS: Duration = Duration::from_secs(4);
/// A spike is so many times as many orders, at least: ten, less chance, which makes of thirty orders before it forty now and then.
const MORE: f64 = 5.0;

/// Requests to order of one phase.
struct Orders<'a> {
    all: Vec<&'a Attempt>,
    seconds: f64,
}

impl<'a> Orders<'a> {
    fn of(it: &'a Measurement, name: &str) -> Option<Self> {
        let phase = it.clients.phase(name)?;
        let attempts = it.clients.load.attempts.iter();
        let all = attempts.filter(|it| it.places_order() && phase.has(it));
        Some(Self {
            all: all.collect(),
            seconds: phase.length().as_secs_f64(),
        })
    }

    fn rate(&self) -> f64 {
        to_f64(self.all.len() as u64) / self.seconds
    }

    /// Those that were not acknowledged within `limit`.
    fn without(&self, limit: Duration) -> Vec<&'a Attempt> {
        let late = |it: &&&Attempt| !it.acknowledged_order() || latency(it) > limit;
        self.all.iter().filter(late).copied().collect()
    }
}

fn latency(it: &Attempt) -> Duration {
    Duration::from_micros(it.latency_us())
}

/// Whether there was a spike, and the shop did well before.
pub(crate) fn felt(it: &Measurement) -> Vec<Check> {
    let both = Orders::of(it, BEFORE).zip(Orders::of(it, SPIKE));
    let check = both.map(|(before, spike)| {
        let more = spike.rate() / before.rate();
        let unanswered = before.without(Duration::MAX).len();
        let fine = more >= MORE && 10 * unanswered <= before.all.len();
        let outcome = Outcome::pass_or_invalid(fine);
        Check::new(Group::Validity, "there was a spike", outcome).saw(
            format!(
                "{more:.1} times as many orders; {unanswered} of {} were not taken before",
                before.all.len()
            ),
            format!("at least {MORE} times as many, and nine in ten taken before"),
        )
    });
    check.into_iter().collect()
}

/// Whether shoppers are answered as soon as ever.
pub(crate) fn at_once(it: &Measurement) -> Vec<Check> {
    let check = Orders::of(it, SPIKE).map(|spike| {
        let check = share("orders are taken at once", &spike, AT_ONCE, MOST);
        validity::unless_run_delayed(check, it)
    });
    check.into_iter().collect()
}

/// Whether they are answered at all.
pub(crate) fn taken(it: &Measurement) -> Vec<Check> {
    let spike = Orders::of(it, SPIKE);
    let check = spike.map(|it| share("the spike is taken", &it, Duration::MAX, NEARLY_ALL));
    check.into_iter().collect()
}

fn share(name: &str, orders: &Orders<'_>, limit: Duration, promised: f64) -> Check {
    let (bad, all) = (orders.without(limit), orders.all.len());
    let good = all - bad.len();
    let share = to_f64(good as u64) / to_f64(all.max(1) as u64);
    let time = if limit == Duration::MAX {
        String::new()
    } else {
        format!(" within {} ms", limit.as_millis())
    };
    let check = Check::new(Group::Objective, name, graded(share, promised, HARM)).saw(
        format!("{good} of {all} orders acknowledged{time}"),
        format!("{:.0} %{time}", 100.0 * promised),
    );
    check.naming(bad.iter().map(|it| it.id.as_str()))
}

/// Whether orders are worked off as fast as a provider lets payments that takes so long.
pub(crate) fn drained(it: &Measurement, provider: Duration) -> Vec<Check> {
    let charges = charges(it);
    let check = it.clients.phase(SPIKE).map(|phase| {
        let full = (phase.from + FILLS).as_secs_f64()..(phase.to + LASTS).as_secs_f64();
        let busy: Vec<_> = charges.into_iter().filter(|it| full.contains(it)).collect();
        rate(&busy, provider)
    });
    check.into_iter().collect()
}

/// When each charge was over, in seconds since the first arrival was due, in order of time.
fn charges(it: &Measurement) -> Vec<f64> {
    let began = it.clients.load.began.unwrap_or(UNIX_EPOCH);
    let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
    let spans = it.evidence.get(&Service::Payments).map(|it| &it.spans);
    let charge = |it: &&Span| {
        let event = it.attribute(attributes::MESSAGING_DESTINATION_NAME);
        it.kind == Kind::Consumer && event == CHARGED_ON
    };
    let ends = spans.into_iter().flatten().filter(charge);
    let ends = ends.map(|it| Duration::from_nanos(it.end_ns).as_secs_f64() - began.as_secs_f64());
    let mut ends: Vec<_> = ends.collect();
    ends.sort_by(f64::total_cmp);
    ends
}

/// `ends` is when each event was over of a time in which there was always another.
fn rate(ends: &[f64], provider: Duration) -> Check {
    let at_once = usize::from(messaging::PREFETCH);
    let predicted = f64::from(messaging::PREFETCH) / provider.as_secs_f64();
    // They come and go side by side, so that only whole rounds tell the rate.
    let rounds = ends.len().saturating_sub(1) / at_once;
    let took = ends.get(rounds * at_once).zip(ends.first());
    let took = took.map_or(f64::INFINITY, |(last, first)| last - first);
    let rate = to_f64((rounds * at_once) as u64) / took.max(f64::MIN_POSITIVE);
    let near = (rate / predicted).min(predicted / rate.max(f64::MIN_POSITIVE));
    let outcome = match rounds {
        0 => Outcome::Fail,
        _ => graded(near, NEAR, HARM),
    };
    let name = "the spike is worked off at the rate of the provider";
    let check = Check::new(Group::Objective, name, outcome).saw(
        format!("{rate:.1} charges a second"),
        format!(
            "{predicted:.1}, that is {at_once} at once for {:.2} s each, within {:.0} %",
            provider.as_secs_f64(),
            100.0 * (1.0 - NEAR)
        ),
    );
    if outcome == Outcome::Pass {
        return check;
    }
    check.because(vec![format!("payments: {CHARGED_ON}: {rate:.1} a second")])
}

/// What came of each phase.
pub(crate) fn table(it: &Measurement) -> Table {
    let charges = charges(it);
    let rows = [BEFORE, SPIKE, AFTER].into_iter().filter_map(|name| {
        let (orders, phase) = (Orders::of(it, name)?, it.clients.phase(name)?);
        let time = phase.from.as_secs_f64()..phase.to.as_secs_f64();
        let charged = charges.iter().filter(|it| time.contains(it)).count();
        let mut latencies: Vec<_> = orders.all.iter().map(|it| latency(it)).collect();
        latencies.sort();
        let median = latencies
            .get(latencies.len() / 2)
            .map(Duration::as_secs_f64);
        Some(vec![
            Cell::Text(name.to_owned()),
            Cell::Text(format!("{:.1}", orders.rate())),
            Cell::Count(orders.all.len()),
            Cell::Count(orders.all.len() - orders.without(Duration::MAX).len()),
            Cell::Seconds(median),
            Cell::Text(format!("{:.1}", to_f64(charged as u64) / orders.seconds)),
        ])
    });
    Table {
        title: "Orders",
        columns: &[
            "phase",
            "a second",
            "asked",
            "taken",
            "median answer",
            "charges a second",
        ],
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(latency_ms: i64, status: u16) -> Attempt {
        Attempt {
            id: "r-1".into(),
            phase: 0,
            route: "POST /orders".into(),
            intended_us: 0,
            sent_us: 0,
            done_us: latency_ms * 1_000,
            status: Some(status),
            error: (status != 202).then(String::new),
            order: None,
            product: None,
        }
    }

    #[test]
    fn an_order_is_taken_when_it_is_acknowledged_and_at_once_when_that_is_soon() {
        use Outcome::{Fail, Inconclusive, Pass};
        for (late, refused, at_once, taken) in [
            (0, 0, Pass, Pass),
            (5, 1, Inconclusive, Pass),
            (60, 0, Fail, Pass),
            (0, 60, Fail, Fail),
        ] {
            let all: Vec<_> = (0..100)
                .map(|number| match number {
                    it if it < refused => order(20, 504),
                    it if it < refused + late => order(900, 202),
                    _ => order(20, 202),
                })
                .collect();
            let orders = Orders {
                all: all.iter().collect(),
                seconds: 1.0,
            };
            let check = share("", &orders, AT_ONCE, MOST);
            assert_eq!(check.outcome, at_once, "{late} {refused}");
            let check = share("", &orders, Duration::MAX, NEARLY_ALL);
            assert_eq!(check.outcome, taken, "{late} {refused}");
        }
    }

    #[test]
    fn the_rate_is_that_of_whole_rounds() {
        let provider = Duration::from_secs(1);
        // All end together, once in each round, and the last round is cut off.
        let ends = |round: f64, count: u32| -> Vec<f64> {
            let end = |it: u32| round * f64::from(it / u32::from(messaging::PREFETCH));
            (0..count).map(end).collect()
        };
        for (round, outcome) in [
            (1.0, Outcome::Pass),
            (1.1, Outcome::Pass),
            (1.6, Outcome::Inconclusive),
            (2.5, Outcome::Fail),
            (0.4, Outcome::Fail),
        ] {
            assert_eq!(rate(&ends(round, 90), provider).outcome, outcome, "{round}");
        }
        assert_eq!(rate(&[], provider).outcome, Outcome::Fail);
        assert_eq!(rate(&ends(1.0, 10), provider).outcome, Outcome::Fail);
    }
}
