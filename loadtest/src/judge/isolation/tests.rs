use telemetry::{attributes, names};

use super::*;
use crate::{
    deployment::Service,
    evidence::{
        Evidence, Scrape, Testimony,
        metrics::Exposition,
        otlp::{Kind, Span},
    },
};

const PAGE: &str = "GET /products/{id}";
const SEARCH: &str = "GET /search";

const TRIAL: Trial = Trial {
    name: "search fails",
    faulty: Some(Service::Search),
    fail: &[SEARCH],
    behind: &[],
    degrade: &[],
    acts: &[Protection::Breaker],
};

/// Two seconds of warm-up, ten of calm, ten of a fault, ten of calm; fifty requests a second to each of two routes.
struct Run {
    phases: Vec<PhaseTime>,
    attempts: Vec<Attempt>,
    evidence: Evidence,
}

/// When the fault is on, in seconds.
const FAULT: std::ops::Range<u64> = 12..22;

impl Run {
    fn new() -> Self {
        let phase = |name: &str, from, to| PhaseTime {
            name: name.into(),
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
        };
        let phases = vec![
            phase("warm-up", 0, 2),
            phase("calm 1", 2, 12),
            phase(TRIAL.name, FAULT.start, FAULT.end),
            phase("calm 2", 22, 32),
        ];
        let attempt = |route: &str, number: i64| Attempt {
            id: format!("{route}-{number}"),
            phase: 0,
            route: route.to_owned(),
            intended_us: number * 20_000,
            sent_us: number * 20_000,
            done_us: number * 20_000 + 10_000,
            status: Some(200),
            error: None,
            order: None,
            product: None,
        };
        let all = (0..32 * 50).flat_map(|it| [attempt(PAGE, it), attempt(SEARCH, it)]);
        Self {
            phases,
            attempts: all.collect(),
            evidence: Evidence::from([(Service::Gateway, Testimony::default())]),
        }
    }

    /// Requests to a route while the fault is on, from so many seconds after it began.
    fn faulty(&mut self, route: &str, after: u64) -> impl Iterator<Item = &mut Attempt> {
        let from = micros(Duration::from_secs(FAULT.start + after));
        let to = micros(Duration::from_secs(FAULT.end));
        let all = self.attempts.iter_mut();
        all.filter(move |it| it.route == route && (from..to).contains(&it.sent_us))
    }

    fn spans(&mut self) -> &mut Vec<Span> {
        &mut self
            .evidence
            .get_mut(&Service::Gateway)
            .expect("it is there")
            .spans
    }

    /// The gateway calls search for every request, but where `rejected` says how long after the fault began.
    fn calls(&mut self, rejected: impl Fn(f64) -> bool) {
        let ids = self.attempts.iter().filter(|it| it.route == SEARCH);
        let spans = ids.map(|it| {
            let after = to_f64(u64::try_from(it.sent_us).unwrap()) / 1e6 - 12.0;
            let mut attributes = vec![
                (attributes::SERVER_ADDRESS, "search"),
                (attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID, it.id.as_str()),
            ];
            let mut kind = Kind::Client;
            if rejected(after) {
                kind = Kind::Other;
                attributes.push((attributes::ERROR_TYPE, "breaker_open"));
            }
            let attributes = attributes.into_iter();
            Span {
                kind,
                attributes: attributes
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                ..Span::default()
            }
        });
        *self.spans() = spans.collect();
    }

    fn judge(&self, trial: Trial) -> Vec<Check> {
        let seen = Seen {
            phases: &self.phases,
            attempts: &self.attempts,
            evidence: &self.evidence,
            late: None,
        };
        judge(&[trial], &seen)
    }

    fn outcome(&self, trial: Trial, check: &str) -> Outcome {
        let checks = self.judge(trial);
        let name = format!("{}: {check}", trial.name);
        let found = checks.iter().find(|it| it.name == name);
        found
            .unwrap_or_else(|| panic!("{name} is not in {checks:?}"))
            .outcome
    }
}

const RADIUS: &str = "blast radius is 0";

#[test]
fn what_needs_the_faulty_service_may_fail_and_nothing_else() {
    let mut run = Run::new();
    for it in run.faulty(SEARCH, 0) {
        it.error = Some("503".into());
    }
    assert_eq!(run.outcome(TRIAL, RADIUS), Outcome::Pass);
    for it in run.faulty(PAGE, 0).take(4) {
        it.error = Some("503".into());
    }
    assert_eq!(run.outcome(TRIAL, RADIUS), Outcome::Fail);
}

#[test]
fn a_route_that_becomes_slow_is_within_the_blast_radius() {
    let mut run = Run::new();
    for it in run.faulty(PAGE, 0) {
        it.done_us = it.intended_us + 60_000;
    }
    assert_eq!(run.outcome(TRIAL, RADIUS), Outcome::Pass, "fast enough");
    for it in run.faulty(PAGE, 0) {
        it.done_us = it.intended_us + 160_000;
    }
    assert_eq!(run.outcome(TRIAL, RADIUS), Outcome::Fail);
}

#[test]
fn a_fault_without_effect_that_is_felt_spoils_the_run() {
    let sham = Trial {
        faulty: None,
        fail: &[],
        acts: &[],
        ..TRIAL
    };
    let mut run = Run::new();
    assert_eq!(run.outcome(sham, "nothing is felt"), Outcome::Pass);
    for it in run.faulty(SEARCH, 0) {
        it.error = Some("503".into());
    }
    assert_eq!(run.outcome(sham, "nothing is felt"), Outcome::Invalid);
}

#[test]
fn a_breaker_opens_leaves_alone_and_closes() {
    let mut run = Run::new();
    // Tries after three and five seconds; it closes half a second after the fault has ended.
    let tried = |after: f64| [3.0, 5.0].iter().any(|it| (it - after).abs() < 0.001);
    run.calls(|after| (1.0..10.5).contains(&after) && !tried(after));
    for check in [
        "the breaker opens",
        "the faulty service is left alone",
        "the breaker closes",
    ] {
        assert_eq!(run.outcome(TRIAL, check), Outcome::Pass, "{check}");
    }
    run.calls(|_| false);
    assert_eq!(run.outcome(TRIAL, "the breaker opens"), Outcome::Fail);
    run.calls(|after| (1.0..9.0).contains(&after) && (after * 50.0) % 7.0 > 1.0);
    let alone = "the faulty service is left alone";
    assert_eq!(run.outcome(TRIAL, alone), Outcome::Fail);
    run.calls(|after| (1.0..17.0).contains(&after));
    assert_eq!(run.outcome(TRIAL, "the breaker closes"), Outcome::Fail);
}

#[test]
fn requests_that_need_it_fail_fast_once_the_breaker_is_open() {
    let fast = "requests that need it fail fast";
    let mut run = Run::new();
    run.calls(|after| (2.0..10.0).contains(&after));
    for it in run.faulty(SEARCH, 0) {
        it.done_us = it.intended_us + 900_000;
    }
    assert_eq!(run.outcome(TRIAL, fast), Outcome::Fail);
    for it in run.faulty(SEARCH, 2) {
        it.done_us = it.intended_us + 1_000;
    }
    assert_eq!(run.outcome(TRIAL, fast), Outcome::Pass);
}

#[test]
fn pages_that_can_do_without_must_come() {
    let trial = Trial {
        fail: &[],
        degrade: &[PAGE],
        acts: &[],
        ..TRIAL
    };
    let comes = format!("{PAGE} still answers");
    let mut run = Run::new();
    assert_eq!(run.outcome(trial, &comes), Outcome::Pass);
    for it in run.faulty(PAGE, 0).take(1) {
        it.error = Some("timeout".into());
    }
    assert_eq!(run.outcome(trial, &comes), Outcome::Fail);
}

#[test]
fn retries_beyond_the_budget_and_calls_beyond_the_bulkhead_are_found() {
    let trial = Trial {
        acts: &[
            Protection::Breaker,
            Protection::Retries,
            Protection::Bulkhead,
        ],
        ..TRIAL
    };
    let (budget, room) = (
        "retries stay within their budget",
        "no more calls than there is room for",
    );
    let mut run = Run::new();
    run.calls(|_| false);
    let resend = attributes::HTTP_REQUEST_RESEND_COUNT.to_owned();
    // Ten seconds: 500 calls, so fifty retries, ten more for the time and ten that were saved up.
    for (count, expected) in [(60, Outcome::Pass), (100, Outcome::Fail)] {
        let spans = run.spans();
        for span in &mut spans[650..650 + count] {
            span.attributes.insert(resend.clone(), "1".into());
        }
        assert_eq!(run.outcome(trial, budget), expected, "{count}");
    }
    let scrape = |in_flight: u32| {
        let text = format!(
            "{}{{server_address=\"search\"}} 8\n{}{{server_address=\"search\",state=\"in_flight\"}} {in_flight}\n{}{{server_address=\"search\",error_type=\"bulkhead_full\"}} 3\n",
            names::CLIENT_BULKHEAD_LIMIT,
            names::CLIENT_BULKHEAD_CALLS,
            names::CLIENT_CALLS_REJECTED,
        );
        Scrape {
            asked: std::time::SystemTime::UNIX_EPOCH,
            answered: std::time::SystemTime::UNIX_EPOCH,
            exposition: Exposition::parse(&text).expect("it is text"),
            usage: None,
        }
    };
    for (in_flight, expected) in [(8, Outcome::Pass), (9, Outcome::Fail)] {
        let gateway = run.evidence.get_mut(&Service::Gateway);
        gateway.expect("it is there").scrapes = vec![vec![scrape(in_flight)]];
        assert_eq!(run.outcome(trial, room), expected, "{in_flight}");
    }
}

#[test]
fn a_bad_replica_that_goes_on_being_called_is_found() {
    let trial = Trial {
        acts: &[Protection::Ejection],
        ..TRIAL
    };
    let check = "the bad replica is left out";
    let mut run = Run::new();
    run.calls(|_| false);
    for (index, span) in run.spans().iter_mut().enumerate() {
        let bad = index % 3 == 0 && index < 700;
        span.failed = bad;
        let port = if bad { "1" } else { "2" };
        let name = attributes::NETWORK_PEER_PORT.to_owned();
        span.attributes.insert(name, port.into());
    }
    assert_eq!(run.outcome(trial, check), Outcome::Pass);
    for span in run.spans().iter_mut().skip(900).step_by(3) {
        span.failed = true;
        let name = attributes::NETWORK_PEER_PORT.to_owned();
        span.attributes.insert(name, "1".into());
    }
    assert_eq!(run.outcome(trial, check), Outcome::Fail);
}
