//! Whether work ends with the request that it is for.
//!
//! What is given up is told by the gateway's access lines: the time of the request was over (504), or its client had gone (499).
//! Whatever is done under its trace from then on, but for a moment, is done for nobody.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use telemetry::attributes;

use super::validity;
use crate::{
    deployment::Service,
    engine::Attempt,
    evidence::{
        Testimony,
        access_lines::AccessLine,
        otlp::{Kind, Span, nanos, since_1970},
    },
    measurement::Measurement,
    statistics::to_f64,
    table::{Cell, Table},
    verdict::{Check, Group, Outcome, graded},
};

/// The phase in which a leaf takes longer than callers wait.
pub(crate) const SLOW: &str = "slow";
/// How long callers wait, in milliseconds.
pub(crate) const DEADLINE_MS: u64 = 300;

/// What may pass until everybody knows that a request is over: timers, two clocks, and a busy machine.
const GRACE: Duration = Duration::from_millis(100);
/// How many requests must be as promised, ...
const PROMISED: f64 = 0.99;
/// ... and what is no noise any more.
const HARM: f64 = 0.5;
/// With fewer requests that were given up nothing is shown.
const MIN_GIVEN_UP: usize = 50;

/// A request that was given up, and what was done about it afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct GivenUp<'a> {
    request: &'a str,
    /// When the gateway gave it up, in nanoseconds since 1970.
    at_ns: u64,
    /// When the last service ended its part.
    last_ns: u64,
    /// Operations on databases that began afterwards.
    operations: usize,
}

impl GivenUp<'_> {
    fn over_ns(&self) -> u64 {
        self.at_ns + nanos(GRACE)
    }

    /// Whether a database was asked for it afterwards.
    fn is_asked_by(&self, span: &Span) -> bool {
        let database = !span.attribute(attributes::DB_SYSTEM_NAME).is_empty();
        database && span.start_ns > self.over_ns()
    }

    fn stopped(&self) -> bool {
        self.last_ns <= self.over_ns()
    }
}

/// What became of the requests of the slow phase.
struct Fared<'a> {
    /// Requests of the phase.
    asked: Vec<&'a Attempt>,
    /// Those that were given up, by their traces.
    given_up: HashMap<&'a str, GivenUp<'a>>,
}

impl<'a> Fared<'a> {
    fn of(it: &'a Measurement) -> Option<Self> {
        let phase = it.clients.phase(SLOW)?;
        let attempts = it.clients.load.attempts.iter();
        let asked: Vec<_> = attempts.filter(|it| phase.has(it)).collect();
        let gateway = it.evidence.get(&Service::Gateway)?;
        let mut given_up = given_up(&asked, &gateway.lines.access);
        let behind = it.evidence.iter().filter(|it| *it.0 != Service::Gateway);
        for span in behind.flat_map(|it| &it.1.spans) {
            if let Some(request) = given_up.get_mut(span.trace_id.as_str()) {
                note(request, span);
            }
        }
        Some(Self { asked, given_up })
    }
}

/// The requests that the gateway gave up, by their traces.
fn given_up<'a>(asked: &[&'a Attempt], lines: &'a [AccessLine]) -> HashMap<&'a str, GivenUp<'a>> {
    let ids: HashSet<_> = asked.iter().map(|it| it.id.as_str()).collect();
    let lines = lines.iter();
    let lines = lines.filter(|it| matches!(it.status, 499 | 504));
    let lines = lines.filter(|it| ids.contains(it.request_id.as_str()));
    let given_up = lines.map(|it| {
        let at_ns = since_1970(it.ended);
        let request = GivenUp {
            request: &it.request_id,
            at_ns,
            last_ns: at_ns,
            operations: 0,
        };
        (it.trace_id.as_str(), request)
    });
    given_up.collect()
}

/// Something that was done about a request that was given up.
fn note(request: &mut GivenUp<'_>, span: &Span) {
    if span.kind == Kind::Server {
        request.last_ns = request.last_ns.max(span.end_ns);
    }
    if request.is_asked_by(span) {
        request.operations += 1;
    }
}

/// Whether callers ran out of time at all.
pub(crate) fn felt(it: &Measurement) -> Vec<Check> {
    let Some(fared) = Fared::of(it) else {
        return Vec::new();
    };
    let (given_up, asked) = (fared.given_up.len(), fared.asked.len());
    let enough = given_up >= MIN_GIVEN_UP && 2 * given_up >= asked;
    let outcome = Outcome::pass_or_invalid(enough);
    let check = Check::new(Group::Validity, "callers ran out of time", outcome).saw(
        format!("{given_up} of {asked} requests were given up"),
        format!("at least {MIN_GIVEN_UP}, and half of them"),
    );
    vec![check]
}

/// What callers are promised who say how long they wait, and what everybody else is.
pub(crate) fn kept(it: &Measurement) -> Vec<Check> {
    let Some(fared) = Fared::of(it) else {
        return Vec::new();
    };
    let given_up: Vec<_> = fared.given_up.values().copied().collect();
    vec![
        // What services say of themselves does not depend on how late a client was.
        validity::unless_run_delayed(in_time(&fared.asked), it),
        stops(&given_up),
        left_alone(&given_up),
    ]
}

fn in_time(asked: &[&Attempt]) -> Check {
    let limit = Duration::from_millis(DEADLINE_MS) + GRACE;
    let late = |it: &&&Attempt| {
        let took = u64::try_from(it.done_us - it.sent_us).unwrap_or(0);
        Duration::from_micros(took) > limit
    };
    let late: Vec<_> = asked.iter().filter(late).map(|it| it.id.as_str()).collect();
    judged("answers come within their deadline", &late, asked.len()).saw(
        format!("{} of {} came later", late.len(), asked.len()),
        format!("99 % within {} ms", limit.as_millis()),
    )
}

fn stops(given_up: &[GivenUp<'_>]) -> Check {
    let on = given_up.iter().filter(|it| !it.stopped());
    let longest = on.clone().map(|it| it.last_ns - it.at_ns).max();
    let longest = Duration::from_nanos(longest.unwrap_or(0));
    let on: Vec<_> = on.map(|it| it.request).collect();
    judged("work stops with its caller", &on, given_up.len()).saw(
        format!(
            "{} of {} requests were worked on, for up to {:.2} s",
            on.len(),
            given_up.len(),
            longest.as_secs_f64()
        ),
        format!("99 % are over within {} ms", GRACE.as_millis()),
    )
}

fn left_alone(given_up: &[GivenUp<'_>]) -> Check {
    let asked = given_up.iter().filter(|it| it.operations > 0);
    let operations: usize = asked.clone().map(|it| it.operations).sum();
    let asked: Vec<_> = asked.map(|it| it.request).collect();
    let name = "databases are left alone by callers who have gone";
    judged(name, &asked, given_up.len()).saw(
        format!(
            "{operations} operations for {} of {} requests",
            asked.len(),
            given_up.len()
        ),
        "none for 99 %",
    )
}

/// Whether so few of `all` requests are `bad` as is promised.
fn judged(name: &str, bad: &[&str], all: usize) -> Check {
    let share = 1.0 - to_f64(bad.len() as u64) / to_f64(all.max(1) as u64);
    let outcome = graded(share, PROMISED, HARM);
    Check::new(Group::Objective, name, outcome).naming(bad.iter().copied())
}

/// What each service behind the gateway made of the requests that were given up.
pub(crate) fn table(it: &Measurement) -> Table {
    let fared = Fared::of(it);
    let rows = fared.iter().flat_map(|fared| {
        let behind = it.evidence.iter().filter(|it| *it.0 != Service::Gateway);
        behind.filter_map(move |(service, testimony)| row(*service, testimony, fared))
    });
    Table {
        title: "Requests that were given up, behind the gateway",
        columns: &[
            "service",
            "answered",
            "ended themselves",
            "cancelled",
            "database operations afterwards",
            "processor time of all, s",
        ],
        rows: rows.collect(),
    }
}

fn row(service: Service, testimony: &Testimony, fared: &Fared<'_>) -> Option<Vec<Cell>> {
    let of = |trace: &str| fared.given_up.get(trace);
    let lines = testimony.lines.access.iter();
    let mut ends = [0_usize; 3];
    for line in lines.filter(|it| of(&it.trace_id).is_some()) {
        let end = match line.error_type.as_str() {
            "" => 0,
            "cancelled" => 2,
            _ => 1,
        };
        ends[end] += 1;
    }
    let spans = testimony.spans.iter();
    let late = spans.filter(|it| of(&it.trace_id).is_some_and(|request| request.is_asked_by(it)));
    let late = late.count();
    (late + ends.iter().sum::<usize>() > 0).then(|| {
        let [answered, themselves, cancelled] = ends.map(Cell::Count);
        vec![
            Cell::Text(service.to_string()),
            answered,
            themselves,
            cancelled,
            Cell::Count(late),
            Cell::Text(format!("{:.2}", testimony.cpu_seconds())),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn request(last_ns: u64, operations: usize) -> GivenUp<'static> {
        GivenUp {
            request: "r-1",
            at_ns: 1_000 * MS,
            last_ns,
            operations,
        }
    }

    fn span(kind: Kind, start_ms: u64, end_ms: u64, database: &str) -> Span {
        let attributes = [(attributes::DB_SYSTEM_NAME.to_owned(), database.to_owned())];
        Span {
            kind,
            start_ns: start_ms * MS,
            end_ns: end_ms * MS,
            attributes: attributes.into(),
            ..Span::default()
        }
    }

    #[test]
    fn what_is_done_afterwards_is_for_nobody_and_what_was_begun_before_is_not() {
        let mut it = request(1_000 * MS, 0);
        note(&mut it, &span(Kind::Server, 900, 1_050, ""));
        note(&mut it, &span(Kind::Client, 1_050, 1_200, "sqlite"));
        assert!(it.stopped());
        assert_eq!(it.operations, 0, "within the grace");
        note(&mut it, &span(Kind::Client, 1_101, 1_102, "sqlite"));
        note(&mut it, &span(Kind::Client, 1_101, 1_102, ""));
        assert_eq!(it.operations, 1);
        note(&mut it, &span(Kind::Server, 900, 1_600, ""));
        assert!(!it.stopped());
        assert_eq!(it.last_ns, 1_600 * MS);
    }

    #[test]
    fn a_few_requests_that_are_worked_on_are_noise_and_most_are_harm() {
        use Outcome::{Fail, Inconclusive, Pass};
        for (on, outcome) in [(0, Pass), (1, Pass), (10, Inconclusive), (60, Fail)] {
            let of = |number| {
                if number < on {
                    request(1_600 * MS, 3)
                } else {
                    request(1_000 * MS, 0)
                }
            };
            let all: Vec<_> = (0..100).map(of).collect();
            for check in [stops(&all), left_alone(&all)] {
                assert_eq!(check.outcome, outcome, "{on}: {check:?}");
                assert_eq!(check.request_ids.is_empty(), outcome == Pass);
            }
        }
    }

    #[test]
    fn an_answer_is_late_by_when_it_was_sent() {
        let answer = |took_ms: i64| Attempt {
            id: "r-1".into(),
            phase: 0,
            route: "GET /products".into(),
            intended_us: 0,
            sent_us: 500_000,
            done_us: 500_000 + took_ms * 1_000,
            status: Some(504),
            error: Some("status 504".into()),
            order: None,
            product: None,
        };
        let (soon, late) = (answer(390), answer(900));
        assert_eq!(in_time(&[&soon]).outcome, Outcome::Pass);
        assert_eq!(in_time(&[&soon, &late, &late]).outcome, Outcome::Fail);
    }
}
