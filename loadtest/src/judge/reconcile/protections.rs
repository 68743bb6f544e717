//! What callers counted of how they protect themselves, against the spans and lines that tell the same.

use std::collections::{BTreeMap, BTreeSet};

use telemetry::{attributes, names};

use super::{
    mismatch::{Mismatch, agreement, examples},
    samples::grown,
};
use crate::{
    deployment::Service,
    evidence::{
        Evidence, Testimony,
        metrics::Labels,
        otlp::{Kind, Span},
    },
    statistics::grouped,
    verdict::Check,
};

/// The line of each new state of a breaker.
const LINES: [(&str, &str); 4] = [
    ("circuit breaker closed", "closed"),
    ("circuit breaker half open", "half_open"),
    ("circuit breaker opened", "open"),
    ("circuit breaker opened again", "open"),
];
/// The line of an ejection.
const EJECTED: &str = "replica ejected";

/// Whether all agree; nothing, if nothing was rejected, tried again or changed.
pub(super) fn check(evidence: &Evidence) -> Option<Check> {
    let mut mismatches = Vec::new();
    let mut told = [0_u64; 3];
    for (service, testimony) in evidence {
        let found = [
            rejected(*service, testimony, &mut mismatches),
            retried(*service, testimony, &mut mismatches),
            changed(*service, testimony, &mut mismatches),
        ];
        for (sum, count) in told.iter_mut().zip(found) {
            *sum += count;
        }
    }
    let [rejected, retried, changed] = told;
    if told.iter().sum::<u64>() == 0 && mismatches.is_empty() {
        return None;
    }
    let observed = format!(
        "{} calls rejected, {} retries, {} changes",
        grouped(rejected),
        grouped(retried),
        grouped(changed)
    );
    let name = "protections: counts = spans and lines".to_owned();
    Some(agreement(name, observed, mismatches))
}

/// Rejected calls by upstream and reason, as counted and as spans.
fn rejected(service: Service, testimony: &Testimony, mismatches: &mut Vec<Mismatch>) -> u64 {
    let key = |labels: &Labels| {
        let of = |name: &str| labels.get(name).cloned();
        Some((of(names::SERVER_ADDRESS)?, of(names::ERROR_TYPE)?))
    };
    let counted = grown(testimony, names::CLIENT_CALLS_REJECTED, key);
    let mut spans: BTreeMap<_, Vec<&Span>> = BTreeMap::new();
    for span in testimony.spans.iter().filter(|it| it.kind == Kind::Other) {
        let of = |name: &str| span.attribute(name).to_owned();
        let key = (of(attributes::SERVER_ADDRESS), of(attributes::ERROR_TYPE));
        spans.entry(key).or_default().push(span);
    }
    let keys: BTreeSet<_> = counted.keys().chain(spans.keys()).collect();
    for key in keys {
        let count = counted.get(key).copied().unwrap_or(0);
        let of_key = spans.get(key).map_or(&[][..], |it| it);
        if count != of_key.len() as u64 {
            let ids = of_key.iter().map(|it| it.request_id().to_owned());
            let request_ids: Vec<_> = ids.collect();
            let (upstream, reason) = key;
            mismatches.push(Mismatch {
                text: format!(
                    "{service}: {count} calls to {upstream} were counted as rejected ({reason}), {} have spans{}",
                    of_key.len(),
                    examples(&request_ids)
                ),
                request_ids,
            });
        }
    }
    counted.values().sum()
}

/// Retries by upstream, as counted and as attempts that say so.
fn retried(service: Service, testimony: &Testimony, mismatches: &mut Vec<Mismatch>) -> u64 {
    let sent = |labels: &Labels| {
        let outcome = labels.get("outcome")?;
        let sent = matches!(outcome.as_str(), "succeeded" | "failed");
        labels.get(names::SERVER_ADDRESS).filter(|_| sent).cloned()
    };
    let counted = grown(testimony, names::CLIENT_RETRIES, sent);
    let mut spans: BTreeMap<String, u64> = BTreeMap::new();
    for span in &testimony.spans {
        if !span
            .attribute(attributes::HTTP_REQUEST_RESEND_COUNT)
            .is_empty()
        {
            let upstream = span.attribute(attributes::SERVER_ADDRESS).to_owned();
            *spans.entry(upstream).or_default() += 1;
        }
    }
    if counted != spans {
        mismatches.push(Mismatch {
            text: format!("{service}: retries were counted as {counted:?}, spans say {spans:?}"),
            request_ids: Vec::new(),
        });
    }
    counted.values().sum()
}

/// Changes of breakers by new state, and ejections, as counted and as lines.
fn changed(service: Service, testimony: &Testimony, mismatches: &mut Vec<Mismatch>) -> u64 {
    let state = |labels: &Labels| labels.get("state").cloned();
    let mut counted = grown(testimony, names::CLIENT_BREAKER_TRANSITIONS, state);
    let ejections = grown(testimony, names::CLIENT_EJECTIONS, |_| Some(()));
    counted.extend(ejections.into_values().map(|it| (EJECTED.to_owned(), it)));
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for line in &testimony.lines.events {
        let known = LINES.iter().find(|it| it.0 == line.message);
        let state = known.map(|it| it.1);
        let state = state.or_else(|| (line.message == EJECTED).then_some(EJECTED));
        if let Some(state) = state {
            *lines.entry(state.to_owned()).or_default() += 1;
        }
    }
    if counted != lines {
        mismatches.push(Mismatch {
            text: format!("{service}: changes were counted as {counted:?}, lines say {lines:?}"),
            request_ids: Vec::new(),
        });
    }
    counted.values().sum()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        evidence::{
            Scrape, event_lines::EventLine, log_lines::Lines, metrics::Exposition, written::Written,
        },
        verdict::Outcome,
    };

    /// A gateway that has rejected two calls, tried one again, and whose breaker has opened.
    fn gateway() -> Testimony {
        let span = |kind, name: &str, value: &str| Span {
            kind,
            attributes: [(name, value), (attributes::SERVER_ADDRESS, "search")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Span::default()
        };
        let rejected = || span(Kind::Other, attributes::ERROR_TYPE, "breaker_open");
        let resent = span(Kind::Client, attributes::HTTP_REQUEST_RESEND_COUNT, "1");
        let text = format!(
            "{}{{server_address=\"search\",error_type=\"breaker_open\"}} 2\n\
             {}{{server_address=\"search\",outcome=\"failed\"}} 1\n\
             {}{{server_address=\"search\",outcome=\"no_budget\"}} 9\n\
             {}{{server_address=\"search\",state=\"open\"}} 1\n",
            names::CLIENT_CALLS_REJECTED,
            names::CLIENT_RETRIES,
            names::CLIENT_RETRIES,
            names::CLIENT_BREAKER_TRANSITIONS,
        );
        let scrape = |text: &str| Scrape {
            asked: SystemTime::UNIX_EPOCH,
            answered: SystemTime::UNIX_EPOCH,
            exposition: Exposition::parse(text).unwrap(),
            usage: None,
        };
        let line = EventLine {
            at: SystemTime::UNIX_EPOCH,
            written: Written::default(),
            message: "circuit breaker opened".into(),
            trace_id: String::new(),
            span_id: String::new(),
            request_id: String::new(),
            order_id: String::new(),
            user_id: String::new(),
        };
        Testimony {
            scrapes: vec![vec![scrape(""), scrape(&text)]],
            spans: vec![rejected(), rejected(), resent],
            lines: Lines {
                events: vec![line],
                ..Lines::default()
            },
            ..Testimony::default()
        }
    }

    fn judge(testimony: Testimony) -> Check {
        let evidence = Evidence::from([(Service::Gateway, testimony)]);
        check(&evidence).expect("something was done")
    }

    #[test]
    fn what_is_counted_is_told_and_the_reverse() {
        let fine = judge(gateway());
        assert_eq!(fine.outcome, Outcome::Pass, "{fine:?}");
        let without = |remove: fn(&mut Testimony)| {
            let mut it = gateway();
            remove(&mut it);
            judge(it)
        };
        for (missing, named) in [
            (without(|it| _ = it.spans.remove(0)), "2 calls to search"),
            (without(|it| _ = it.spans.remove(2)), "retries"),
            (without(|it| it.lines.events.clear()), "changes"),
            (without(|it| it.scrapes.clear()), "0 calls to search"),
        ] {
            assert_eq!(missing.outcome, Outcome::Fail);
            assert!(missing.details.join("; ").contains(named), "{missing:?}");
        }
        let quiet = Evidence::from([(Service::Gateway, Testimony::default())]);
        assert!(check(&quiet).is_none());
    }
}
