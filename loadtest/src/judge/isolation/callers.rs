//! What a caller does about an upstream that is at fault: its breaker, its bulkhead and its retries, as its spans and gauges tell.

use std::{collections::HashMap, time::Duration};

use telemetry::{attributes, names};

use super::trial::{Seen, Trial, held};
use crate::{
    deployment::Service,
    engine::micros,
    evidence::{
        metrics::Labels,
        otlp::{Kind, Span},
    },
    measurement::PhaseTime,
    verdict::Check,
};

/// A breaker opens within the window that it looks back on and the longest time of a call, ...
const OPENS: Duration = Duration::from_secs(7);
/// ... lets a call try so often, ...
const TRIES_EVERY: Duration = Duration::from_secs(2);
/// ... and closes so long after the upstream has healed: a try that is under way may still fail.
pub(super) const CLOSES: Duration = Duration::from_secs(4);
/// A replica is known to be bad when it has failed for half of the time that is looked back on, but for chance.
const EJECTED: Duration = Duration::from_secs(4);

/// Calls that the gateway made, or was about to make, by the time of the request that each belongs to.
pub(super) struct Calls<'a> {
    /// Microseconds since the first arrival was due, by upstream.
    rejected: HashMap<&'a str, Vec<i64>>,
    made: HashMap<&'a str, Vec<i64>>,
    resent: HashMap<&'a str, Vec<i64>>,
}

impl<'a> Calls<'a> {
    pub(super) fn of(it: &Seen<'a>) -> Self {
        let attempts = it.attempts.iter();
        let sent: HashMap<_, _> = attempts.map(|it| (it.id.as_str(), it.sent_us)).collect();
        let mut calls = Self {
            rejected: HashMap::new(),
            made: HashMap::new(),
            resent: HashMap::new(),
        };
        let gateway = it.evidence.get(&Service::Gateway);
        for span in gateway.iter().flat_map(|it| &it.spans) {
            let Some(at) = sent.get(span.request_id()) else {
                continue;
            };
            let upstream = span.attribute(attributes::SERVER_ADDRESS);
            let resent = !span
                .attribute(attributes::HTTP_REQUEST_RESEND_COUNT)
                .is_empty();
            let of_kind = match span.kind {
                Kind::Client => &mut calls.made,
                Kind::Other if by_breaker(span) => &mut calls.rejected,
                _ => continue,
            };
            of_kind.entry(upstream).or_default().push(*at);
            if resent {
                calls.resent.entry(upstream).or_default().push(*at);
            }
        }
        calls
    }

    fn rejected(&self, service: Service) -> &[i64] {
        self.rejected.get(service.name()).map_or(&[], |it| it)
    }

    fn made(&self, service: Service) -> &[i64] {
        self.made.get(service.name()).map_or(&[], |it| it)
    }

    /// When the breaker first rejected a call in this phase, since the first arrival was due.
    pub(super) fn first_rejected(&self, service: Service, phase: &PhaseTime) -> Option<Duration> {
        let (from, to) = (micros(phase.from), micros(phase.to));
        let times = self.rejected(service).iter();
        let first = times.filter(|it| (from..to).contains(*it)).min()?;
        Some(Duration::from_micros(u64::try_from(*first).ok()?))
    }
}

fn by_breaker(span: &Span) -> bool {
    span.attribute(attributes::ERROR_TYPE) == "breaker_open"
}

pub(super) fn opens(trial: &Trial, phase: &PhaseTime, opened: Option<Duration>) -> Check {
    let after = opened.map(|it| it.saturating_sub(phase.from));
    let saw = after.map_or_else(
        || "it did not".to_owned(),
        |it| format!("{:.1} s after the fault began", it.as_secs_f64()),
    );
    held(
        trial,
        "the breaker opens",
        after.is_some_and(|it| it <= OPENS),
    )
    .saw(saw, format!("within {} s", OPENS.as_secs()))
}

pub(super) fn leaves_alone(
    trial: &Trial,
    phase: &PhaseTime,
    calls: &Calls<'_>,
    faulty: Service,
    opened: Option<Duration>,
) -> Check {
    let name = "the faulty service is left alone";
    let Some(opened) = opened else {
        return held(trial, name, false).saw("the breaker did not open", "few calls try");
    };
    let (from, to) = (micros(opened), micros(phase.to));
    let within = |it: &&i64| (from..to).contains(*it);
    let made = calls.made(faulty).iter().filter(within).count();
    let rejected = calls.rejected(faulty).iter().filter(within).count();
    let open = phase.to.saturating_sub(opened);
    let turns = open.as_millis() / TRIES_EVERY.as_millis();
    let most = usize::try_from(turns).unwrap_or(usize::MAX) + 1;
    held(trial, name, made <= most && rejected > made).saw(
        format!(
            "{made} calls tried in {:.1} s, {rejected} were rejected",
            open.as_secs_f64()
        ),
        format!("at most {most} try"),
    )
}

pub(super) fn closes(
    trial: &Trial,
    phase: &PhaseTime,
    calls: &Calls<'_>,
    faulty: Service,
) -> Check {
    let healed = micros(phase.to);
    let limit = healed + micros(CLOSES);
    let next = |it: &&i64| **it >= healed;
    let last = calls.rejected(faulty).iter().filter(next);
    // What a later fault leads to is not of this one.
    let end = healed + micros(CLOSES) * 2;
    let last = last.filter(|it| **it < end).max().copied();
    let made = calls.made(faulty).iter().filter(next);
    let made = made.filter(|it| (limit..end).contains(*it)).count();
    let after = last.map_or(0, |it| it - healed).max(0);
    let after = Duration::from_micros(u64::try_from(after).unwrap_or(0));
    held(trial, "the breaker closes", after <= CLOSES && made > 0).saw(
        format!(
            "last rejected {:.1} s after the fault ended",
            after.as_secs_f64()
        ),
        format!("within {} s", CLOSES.as_secs()),
    )
}

/// Retries are a small share of what is asked for, however much fails.
pub(super) fn tries_again(
    trial: &Trial,
    phase: &PhaseTime,
    calls: &Calls<'_>,
    faulty: Service,
) -> Check {
    let time = micros(phase.from)..micros(phase.to);
    let count = |of: &HashMap<&str, Vec<i64>>| {
        let times = of.get(faulty.name()).map_or(&[][..], |it| it);
        times.iter().filter(|it| time.contains(*it)).count()
    };
    let retries = count(&calls.resent);
    let first = count(&calls.made) - retries;
    // A tenth, one a second, and ten that were saved up.
    let seconds = phase.length().as_secs();
    let most = first / 10 + usize::try_from(seconds).unwrap_or(usize::MAX) + 10;
    let holds = retries <= most && retries > 0;
    held(trial, "retries stay within their budget", holds).saw(
        format!("{retries} retries of {first} calls"),
        format!("some, and at most {most}"),
    )
}

/// No more calls are in flight than there is room for, where there would be.
pub(super) fn fills(trial: &Trial, it: &Seen<'_>, faulty: Service) -> Check {
    let to_faulty = |labels: &Labels| {
        labels.get(names::SERVER_ADDRESS).map(String::as_str) == Some(faulty.name())
    };
    let (mut limit, mut most, mut refused) = (0.0_f64, 0.0_f64, 0.0_f64);
    let gateway = it.evidence.get(&Service::Gateway);
    let scrapes = gateway.iter().flat_map(|it| it.scrapes.iter().flatten());
    for scrape in scrapes {
        let of = |name: &'static str, label: (&str, &str)| {
            let series = scrape.exposition.series(name);
            let meant = series.filter(|(labels, _)| {
                let (name, value) = label;
                to_faulty(labels)
                    && (name.is_empty() || labels.get(name).is_some_and(|it| it == value))
            });
            meant.map(|it| it.1).sum::<f64>()
        };
        limit = limit.max(of(names::CLIENT_BULKHEAD_LIMIT, ("", "")));
        most = most.max(of(names::CLIENT_BULKHEAD_CALLS, ("state", "in_flight")));
        let full = (names::ERROR_TYPE, "bulkhead_full");
        refused = refused.max(of(names::CLIENT_CALLS_REJECTED, full));
    }
    let holds = most > 0.0 && most <= limit && refused > 0.0;
    held(trial, "no more calls than there is room for", holds).saw(
        format!("{most} in flight at most, {refused} rejected for want of room"),
        format!("at most {limit}, and the others are rejected"),
    )
}

/// One bad replica is left out, and the others go on being called.
pub(super) fn ejects(trial: &Trial, phase: &PhaseTime, it: &Seen<'_>, faulty: Service) -> Check {
    let attempts = it.attempts.iter();
    let sent: HashMap<_, _> = attempts.map(|it| (it.id.as_str(), it.sent_us)).collect();
    let (from, to) = (micros(phase.from), micros(phase.to));
    let out_from = from + micros(EJECTED);
    let gateway = it.evidence.get(&Service::Gateway);
    // Of each replica: calls that failed, and all calls, those after it should be out.
    let mut replicas: HashMap<&str, (usize, usize)> = HashMap::new();
    let mut rejected = 0;
    for span in gateway.iter().flat_map(|it| &it.spans) {
        let at = sent.get(span.request_id()).copied().unwrap_or(i64::MIN);
        let to_faulty = span.attribute(attributes::SERVER_ADDRESS) == faulty.name();
        if !to_faulty || !(from..to).contains(&at) {
            continue;
        }
        rejected += usize::from(span.kind == Kind::Other);
        let port = span.attribute(attributes::NETWORK_PEER_PORT);
        let replica = replicas.entry(port).or_default();
        replica.0 += usize::from(span.failed);
        replica.1 += usize::from(at >= out_from);
    }
    let all: usize = replicas.values().map(|it| it.1).sum();
    let (failed, calls) = replicas.into_values().max().unwrap_or_default();
    let holds = failed > 0 && rejected == 0 && calls <= all / 20;
    held(trial, "the bad replica is left out", holds).saw(
        format!("it got {calls} of {all} calls, {rejected} were rejected"),
        format!(
            "5 % at most after {} s, and the breaker stays closed",
            EJECTED.as_secs()
        ),
    )
}
