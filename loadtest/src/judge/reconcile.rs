//! Compares the signals with each other and with what the clients saw. Nothing may be missing anywhere.
//!
//! - Door: every answered attempt has one access line at the gateway, with the same status, and the reverse.
//! - Signals: at every service, samples = access lines = server spans, for each operation and status.
//! - Edges: what callers counted = what the callee counted; only an attempt the caller gave up may be extra.
//! - Events: what was sent was processed by everyone it is for, and at every service samples = lines = spans for events too.

mod door;
mod edges;
mod events;
mod signals;

use std::collections::BTreeMap;

pub use edges::{Edge, edges};

use super::{
    lost_samples::{self, Counted, Reading},
    saga, traces, validity,
};
use crate::{
    engine::Attempt,
    evidence::{Evidence, Operation, Scrape, Testimony, metrics::Labels},
    measurement::Measurement,
    verdict::{Check, Group, Outcome},
};

/// How many request ids a check names.
const NAMED: usize = 5;

/// Whether all signals of this stretch tell the same story, or why that cannot be said.
pub(crate) fn all(it: &Measurement) -> Vec<Check> {
    if let Some(reason) = validity::cannot_reconcile(it) {
        return vec![reason];
    }
    let attempts = &it.clients.load.attempts;
    let mut checks = reconcile(attempts, &it.evidence);
    let page = ["gateway", "catalog", "inventory"];
    checks.push(traces::connected(
        attempts,
        &it.evidence,
        "GET /products/{id}",
        &page,
    ));
    checks.push(saga::check(attempts, &it.evidence, &it.ledgers));
    checks
}

/// Every comparison, as checks.
pub fn reconcile(attempts: &[Attempt], evidence: &Evidence) -> Vec<Check> {
    let mut checks = Vec::new();
    for (service, testimony) in evidence {
        if service.is_public() {
            checks.push(door::check(*service, attempts, &testimony.lines));
        }
    }
    for (service, testimony) in evidence.iter().filter(|it| signals::any(it.1)) {
        checks.push(signals::check(*service, testimony));
    }
    for service in evidence.keys().filter(|it| !it.is_public()) {
        checks.extend(edges::check(*service, evidence));
    }
    checks.extend(events::checks(evidence));
    checks
}

/// One way in which signals differ.
struct Mismatch {
    text: String,
    request_ids: Vec<String>,
}

/// A check that holds if nothing differs.
fn agreement(name: String, observed: String, mismatches: Vec<Mismatch>) -> Check {
    let outcome = if mismatches.is_empty() {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    let mut check =
        Check::new(Group::Reconciliation, name, outcome).saw(observed, "the same everywhere");
    for it in mismatches {
        check
            .request_ids
            .extend(it.request_ids.iter().take(NAMED).cloned());
        check.details.push(it.text);
    }
    check
}

/// `3 access lines are missing`, with examples.
fn missing(what: &str, ids: Vec<String>) -> Mismatch {
    let (count, verb) = match ids.len() {
        1 => (format!("1 {what}"), "is"),
        n => (format!("{n} {what}s"), "are"),
    };
    Mismatch {
        text: format!("{count} {verb} missing{}", examples(&ids)),
        request_ids: ids,
    }
}

fn examples(ids: &[String]) -> String {
    match ids {
        [] => String::new(),
        [one] => format!(": request {one}"),
        _ => format!(": requests {}", ids[..ids.len().min(NAMED)].join(", ")),
    }
}

/// How the series of a histogram grew between the first and the last scrape, keyed by what `key` makes of their labels.
fn growth<K: Ord>(
    testimony: &Testimony,
    histogram: &str,
    key: impl Fn(&Labels) -> Option<K>,
) -> BTreeMap<K, u64> {
    let name = format!("{histogram}_count");
    let mut sums = BTreeMap::new();
    for scrapes in &testimony.scrapes {
        let (Some(first), Some(last)) = (scrapes.first(), scrapes.last()) else {
            continue;
        };
        for (labels, count) in last.exposition.series(&name) {
            let grown = count - first.exposition.value(&name, labels);
            if let Some(key) = key(labels) {
                *sums.entry(key).or_insert(0) += whole(grown);
            }
        }
    }
    sums.retain(|_, count| *count > 0);
    sums
}

/// Which `requests` for `operation` are missing from `histograms`, whose labels `read` understands. With several processes it
/// cannot be said whose a request was, so none is named.
fn lost(
    testimony: &Testimony,
    histograms: [&str; 2],
    read: impl Fn(&Labels) -> Option<Operation>,
    operation: &Operation,
    requests: &[Counted<'_>],
) -> Vec<String> {
    let [scrapes] = &testimony.scrapes[..] else {
        return Vec::new();
    };
    let matches = |labels: &Labels| read(labels).as_ref() == Some(operation);
    let mut found = Vec::new();
    for histogram in histograms {
        let readings = readings(scrapes, histogram, matches);
        if readings.last().is_some_and(|it| it.count > 0.0) {
            let ids = lost_samples::find(requests, &readings);
            found.extend(ids.into_iter().map(str::to_owned));
        }
    }
    found
}

/// What the series of a histogram said at each scrape, all those that `matches` together.
fn readings(
    scrapes: &[Scrape],
    histogram: &str,
    matches: impl Fn(&Labels) -> bool,
) -> Vec<Reading> {
    let total = |suffix: &str, scrape: &Scrape| {
        let name = format!("{histogram}{suffix}");
        let values = scrape.exposition.series(&name);
        values.filter(|it| matches(it.0)).map(|it| it.1).sum()
    };
    scrapes
        .iter()
        .map(|scrape| Reading {
            asked: scrape.asked,
            answered: scrape.answered,
            count: total("_count", scrape),
            sum: total("_sum", scrape),
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters are whole and only grow"
)]
fn whole(count: f64) -> u64 {
    count.round().max(0.0) as u64
}

/// Reads the operation a server histogram's labels tell.
fn served(labels: &Labels) -> Option<Operation> {
    use telemetry::names;
    if let Some(name) = labels.get(names::RPC_METHOD) {
        return Some(Operation {
            name: name.clone(),
            status: labels.get(names::RPC_RESPONSE_STATUS_CODE)?.clone(),
        });
    }
    let (method, route) = (
        labels.get(names::HTTP_REQUEST_METHOD)?,
        labels.get(names::HTTP_ROUTE)?,
    );
    Some(Operation {
        name: format!("{method} {route}"),
        status: labels.get(names::HTTP_RESPONSE_STATUS_CODE)?.clone(),
    })
}

/// A service's server histograms.
const SERVER_HISTOGRAMS: [&str; 2] = [
    telemetry::names::HTTP_SERVER_REQUEST_DURATION,
    telemetry::names::RPC_SERVER_CALL_DURATION,
];

/// What a service counted for each operation.
fn served_counts(testimony: &Testimony) -> BTreeMap<Operation, u64> {
    SERVER_HISTOGRAMS
        .into_iter()
        .flat_map(|it| growth(testimony, it, served))
        .collect()
}

#[cfg(test)]
mod tests;
