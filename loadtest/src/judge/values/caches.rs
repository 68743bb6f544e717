//! What a cache says it had to load was loaded, and nothing else was.

use std::collections::BTreeMap;

use telemetry::{attributes, names::CACHE_REQUESTS};

use super::{
    facts::{Facts, kind},
    findings::Findings,
};
use crate::{
    deployment::Service,
    evidence::{Testimony, otlp::Span},
    statistics::to_f64,
    verdict::Check,
};

/// Requests at the catalogue that read products one by one, and so from the cache.
const READS: [&str; 2] = [
    "GET /products/{id}",
    "windtunnel.catalog.v1.Catalog/GetProducts",
];
/// Databases that are shared caches.
const SHARED: [&str; 2] = ["redis", "memcached"];

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    if let Some(catalog) = facts.evidence.get(&Service::Catalog) {
        examine(facts, catalog, &mut findings);
    }
    findings.into_check(
        "caches count what they load",
        "reads of products",
        "loads at the origin = misses and refreshes",
    )
}

fn examine(facts: &Facts<'_>, catalog: &Testimony, findings: &mut Findings) {
    let read = |span: &Span| READS.contains(&span.name.as_str());
    let of_read = |span: &&Span| facts.parent(span).is_some_and(read);
    let operations = catalog
        .spans
        .iter()
        .filter(|it| kind(it) == "database client");
    let (shared, loads): (Vec<_>, Vec<_>) = operations
        .filter(of_read)
        .partition(|it| SHARED.contains(&it.attribute(attributes::DB_SYSTEM_NAME)));
    let reads = catalog.spans.iter().filter(|it| read(it));
    let (mut pages, mut cancelled) = (0, 0);
    for span in reads {
        findings.look();
        if span.name.starts_with("GET")
            && span.attribute(attributes::HTTP_RESPONSE_STATUS_CODE) == "200"
        {
            pages += 1;
        }
        let status = [
            attributes::HTTP_RESPONSE_STATUS_CODE,
            attributes::RPC_RESPONSE_STATUS_CODE,
        ];
        if status
            .iter()
            .any(|it| ["499", "CANCELLED"].contains(&span.attribute(it)))
        {
            cancelled += 1;
        }
    }
    let grown = results(catalog);
    let counted = |result: &str| grown.get(result).copied().unwrap_or(0.0);
    let [hits, stale, misses, coalesced] = ["hit", "stale", "miss", "coalesced"].map(counted);
    let (loaded, gone) = (to_f64(loads.len() as u64), to_f64(cancelled));
    let said = || {
        format!(
            "{hits} hits, {stale} stale, {misses} misses, {coalesced} coalesced; {loaded} loads, {pages} pages, {cancelled} cancelled"
        )
    };
    // A caller that goes away counts neither, and each stale value is refreshed once, however often it was read.
    let example = loads.first().map_or("", |it| facts.request(it));
    if loaded > misses + stale + gone {
        findings.add("catalog: loads that are no miss".to_owned(), example, said);
    }
    if shared.is_empty() && loaded < misses {
        findings.add(
            "catalog: misses that load nothing".to_owned(),
            example,
            said,
        );
    }
    if hits + stale + misses + coalesced < to_f64(pages) {
        findings.add("catalog: reads without a result".to_owned(), example, said);
    }
}

/// How often a read had each result, while the evidence was collected.
fn results(catalog: &Testimony) -> BTreeMap<&str, f64> {
    let mut results = BTreeMap::new();
    for scrapes in &catalog.scrapes {
        let (Some(first), Some(last)) = (scrapes.first(), scrapes.last()) else {
            continue;
        };
        for (labels, value) in last.exposition.series(CACHE_REQUESTS) {
            let grown = value - first.exposition.value(CACHE_REQUESTS, labels);
            let result = labels.get("result").map_or("", String::as_str);
            *results.entry(result).or_insert(0.0) += grown;
        }
    }
    results
}
