//! What histograms counted, and which requests they missed.

use std::collections::BTreeMap;

use crate::{
    evidence::{Operation, Scrape, Testimony, metrics::Labels},
    judge::lost_samples::{self, Counted, Reading},
};

/// How the series of a histogram grew between the first and the last scrape, keyed by what `key` makes of their labels.
pub(super) fn growth<K: Ord>(
    testimony: &Testimony,
    histogram: &str,
    key: impl Fn(&Labels) -> Option<K>,
) -> BTreeMap<K, u64> {
    grown(testimony, &format!("{histogram}_count"), key)
}

/// The same of a counter.
pub(super) fn grown<K: Ord>(
    testimony: &Testimony,
    name: &str,
    key: impl Fn(&Labels) -> Option<K>,
) -> BTreeMap<K, u64> {
    let mut sums = BTreeMap::new();
    for scrapes in &testimony.scrapes {
        let (Some(first), Some(last)) = (scrapes.first(), scrapes.last()) else {
            continue;
        };
        for (labels, count) in last.exposition.series(name) {
            let grown = count - first.exposition.value(name, labels);
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
pub(super) fn lost(
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
pub(super) fn served(labels: &Labels) -> Option<Operation> {
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
    let status = labels.get(names::HTTP_RESPONSE_STATUS_CODE)?;
    Some(Operation::http(method, route, status))
}

/// A service's server histograms.
pub(super) const SERVER_HISTOGRAMS: [&str; 2] = [
    telemetry::names::HTTP_SERVER_REQUEST_DURATION,
    telemetry::names::RPC_SERVER_CALL_DURATION,
];

/// What a service counted for each operation.
pub(super) fn served_counts(testimony: &Testimony) -> BTreeMap<Operation, u64> {
    SERVER_HISTOGRAMS
        .into_iter()
        .flat_map(|it| growth(testimony, it, served))
        .collect()
}
