//! Events: what was sent against what was processed, and the signals of both against each other.

use std::collections::{BTreeMap, BTreeSet};

use api::QUEUES;
use telemetry::{attributes, names};

use super::{
    mismatch::{Mismatch, agreement, examples, missing},
    samples::growth,
};
use crate::{
    deployment::Service,
    evidence::{
        Evidence, Testimony,
        otlp::{Kind, Span},
        process_lines::ProcessLine,
    },
    statistics::grouped,
    verdict::Check,
};

/// One check for each queue, whether it got what was sent, and one for the signals of each service that has any.
pub(super) fn checks(evidence: &Evidence) -> Vec<Check> {
    let mut checks = Vec::new();
    for (service, testimony) in evidence {
        if let Some(check) = signals(*service, testimony) {
            checks.push(check);
        }
    }
    for queue in QUEUES {
        let consumer = evidence.iter().find(|it| it.0.name() == queue.name);
        if let Some((service, testimony)) = consumer {
            checks.extend(arrived(*service, queue.types, testimony, evidence));
        }
    }
    checks
}

fn spans(testimony: &Testimony, kind: Kind) -> impl Iterator<Item = &Span> {
    testimony.spans.iter().filter(move |it| it.kind == kind)
}

/// Samples = lines = consumer spans, and send samples = producer spans, for each type of event.
fn signals(service: Service, testimony: &Testimony) -> Option<Check> {
    let kind_of = |labels: &crate::evidence::metrics::Labels| {
        labels.get(names::MESSAGING_DESTINATION_NAME).cloned()
    };
    let processed = growth(testimony, names::MESSAGING_PROCESS_DURATION, kind_of);
    let sent = growth(
        testimony,
        names::MESSAGING_CLIENT_OPERATION_DURATION,
        kind_of,
    );
    let consumers: BTreeMap<&str, &Span> = spans(testimony, Kind::Consumer)
        .map(|it| (it.id.as_str(), it))
        .collect();
    let producers: Vec<&Span> = spans(testimony, Kind::Producer).collect();
    let lines = &testimony.lines.processed;
    if processed.is_empty() && sent.is_empty() && lines.is_empty() && producers.is_empty() {
        return None;
    }
    let mut mismatches = Vec::new();
    let of_lines: BTreeSet<&str> = lines.iter().map(|it| it.span_id.as_str()).collect();
    let unlogged: Vec<_> = consumers
        .values()
        .filter(|it| !of_lines.contains(it.id.as_str()))
        .map(|it| it.request_id().to_owned())
        .collect();
    if !unlogged.is_empty() {
        mismatches.push(missing("process line", unlogged));
    }
    let unspanned: Vec<_> = lines
        .iter()
        .filter(|it| !consumers.contains_key(it.span_id.as_str()))
        .map(|it| it.request_id.clone())
        .collect();
    if !unspanned.is_empty() {
        mismatches.push(missing("consumer span", unspanned));
    }
    mismatches.extend(counts_differ(
        "processed",
        &processed,
        &by_kind(lines.iter().map(|it| &it.kind)),
    ));
    let told = by_kind(
        producers
            .iter()
            .filter_map(|it| it.attributes.get(attributes::MESSAGING_DESTINATION_NAME)),
    );
    mismatches.extend(counts_differ("sent", &sent, &told));
    let observed = format!(
        "{} sent, {} processed",
        grouped(sent.values().sum()),
        grouped(processed.values().sum())
    );
    let name = format!("{service}: event samples = lines = spans");
    Some(agreement(name, observed, mismatches))
}

fn by_kind<'a>(kinds: impl Iterator<Item = &'a String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for kind in kinds {
        *counts.entry(kind.clone()).or_insert(0) += 1;
    }
    counts
}

/// Types of events that were `done` otherwise often by the samples than by the other signal.
fn counts_differ(
    done: &str,
    samples: &BTreeMap<String, u64>,
    other: &BTreeMap<String, u64>,
) -> Vec<Mismatch> {
    let kinds: BTreeSet<&String> = samples.keys().chain(other.keys()).collect();
    let count = |of: &BTreeMap<String, u64>, kind: &String| of.get(kind).copied().unwrap_or(0);
    kinds
        .into_iter()
        .filter(|kind| count(samples, kind) != count(other, kind))
        .map(|kind| Mismatch {
            text: format!(
                "{kind} {done}: {} metric samples, {} in the other signals",
                count(samples, kind),
                count(other, kind)
            ),
            request_ids: Vec::new(),
        })
        .collect()
}

/// Every event of `kinds` that anybody sent was processed by `service`, and nothing else was; nothing, if there was none.
fn arrived(
    service: Service,
    kinds: &[&str],
    testimony: &Testimony,
    evidence: &Evidence,
) -> Option<Check> {
    let producers = evidence.values().flat_map(|it| spans(it, Kind::Producer));
    let sent: BTreeMap<&str, &Span> = producers
        .filter(|it| {
            !it.failed && kinds.contains(&it.attribute(attributes::MESSAGING_DESTINATION_NAME))
        })
        .map(|it| (it.attribute(attributes::MESSAGING_MESSAGE_ID), it))
        .collect();
    let mut processed: BTreeMap<&str, Vec<&ProcessLine>> = BTreeMap::new();
    for line in testimony.lines.processed.iter().filter(|it| !it.failed()) {
        processed.entry(&line.event_id).or_default().push(line);
    }
    if sent.is_empty() && testimony.lines.processed.is_empty() {
        return None;
    }
    let unheard: Vec<_> = sent
        .iter()
        .filter(|(id, _)| !processed.contains_key(*id))
        .map(|(_, span)| span.request_id().to_owned())
        .collect();
    let unsent: Vec<_> = processed
        .iter()
        .filter(|(id, _)| !sent.contains_key(*id))
        .map(|(_, lines)| lines[0].request_id.clone())
        .collect();
    let repeated = processed.values().filter(|it| it.len() > 1).count();
    let failed = testimony.lines.processed.len() - processed.values().map(Vec::len).sum::<usize>();
    let mut mismatches = Vec::new();
    for (ids, text) in [
        (unheard, "events sent but not processed"),
        (unsent, "events processed but not sent"),
    ] {
        if !ids.is_empty() {
            mismatches.push(Mismatch {
                text: format!("{} {text}{}", ids.len(), examples(&ids)),
                request_ids: ids,
            });
        }
    }
    let observed = format!(
        "{} sent, {} processed, {repeated} more than once, {failed} failed tries",
        grouped(sent.len() as u64),
        grouped(processed.len() as u64)
    );
    let name = format!("events sent = processed by {service}");
    Some(agreement(name, observed, mismatches))
}
