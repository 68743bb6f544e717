//! What a cache says it had to load was loaded, and nothing else was; what it says it spared was spared.

use std::collections::{BTreeMap, HashSet};

use telemetry::{
    attributes,
    names::{CACHE_LOADS, CACHE_REQUESTS},
};

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

/// Requests at the catalogue that read products one by one, and so from the cache. Shoppers of load tests order one kind of thing, so
/// each of these is one look-up.
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
        "results = reads, loads at the origin = reads at the database = misses and refreshes, hits <= reads that loaded nothing",
    )
}

/// What spans show.
#[derive(Debug, Default)]
struct Shown {
    reads: u64,
    /// Reads that were answered, so that they have looked the product up.
    answered: u64,
    cancelled: u64,
    /// Operations on the database for a read, or for the refresh that it has begun.
    loads: u64,
    /// Reads with such an operation.
    loading: u64,
    /// Questions to the shared cache for them.
    asked: u64,
}

/// What the cache has counted.
#[derive(Debug)]
struct Counted {
    hits: f64,
    stale: f64,
    misses: f64,
    coalesced: f64,
    absent: f64,
    /// Loads by their reason.
    of_misses: f64,
    of_refreshes: f64,
    /// Loads by their source.
    origin: f64,
    shared: f64,
}

impl Counted {
    fn of(catalog: &Testimony) -> Self {
        let [results, reasons, sources] = [
            (CACHE_REQUESTS, "result"),
            (CACHE_LOADS, "reason"),
            (CACHE_LOADS, "source"),
        ]
        .map(|(name, label)| growth(catalog, name, label));
        let of = |grown: &BTreeMap<&str, f64>, value| grown.get(value).copied().unwrap_or(0.0);
        Self {
            hits: of(&results, "hit"),
            stale: of(&results, "stale"),
            misses: of(&results, "miss"),
            coalesced: of(&results, "coalesced"),
            absent: of(&results, "absent"),
            of_misses: of(&reasons, "miss"),
            of_refreshes: of(&reasons, "refresh"),
            origin: of(&sources, "origin"),
            shared: of(&sources, "shared"),
        }
    }

    fn look_ups(&self) -> f64 {
        self.hits + self.stale + self.misses + self.coalesced + self.absent
    }
}

fn examine(facts: &Facts<'_>, catalog: &Testimony, findings: &mut Findings) {
    let (shown, example) = shown(facts, catalog);
    for _ in 0..shown.reads {
        findings.look();
    }
    let counted = Counted::of(catalog);
    for (about, wrong) in rules(&shown, &counted) {
        if wrong {
            findings.add(format!("catalog: {about}"), example, || {
                said(&shown, &counted)
            });
        }
    }
}

/// What must not be, and whether it is.
fn rules(shown: &Shown, counted: &Counted) -> [(&'static str, bool); 8] {
    let [reads, answered, loads, loading, asked] = [
        shown.reads,
        shown.answered,
        shown.loads,
        shown.loading,
        shown.asked,
    ]
    .map(to_f64);
    // A caller that goes away may have loaded, and looked nothing up.
    let gone = to_f64(shown.cancelled);
    [
        ("reads without a result", counted.look_ups() < answered),
        ("results without a read", counted.look_ups() > reads),
        ("hits that loaded", counted.hits > reads - loading),
        ("loads that are not counted", loads > counted.origin),
        ("loads that there were not", loads < counted.origin),
        (
            "loads that are no miss",
            counted.of_misses > counted.misses + gone || counted.of_refreshes > counted.stale,
        ),
        (
            "misses that load nothing",
            counted.of_misses < counted.misses,
        ),
        (
            "values from a shared cache that was not asked",
            counted.shared > asked,
        ),
    ]
}

fn said(shown: &Shown, counted: &Counted) -> String {
    let Counted {
        hits,
        stale,
        misses,
        coalesced,
        absent,
        of_misses,
        of_refreshes,
        origin,
        shared,
    } = counted;
    format!(
        "{} reads, {} answered, {} cancelled, {} with loads, {} loads; counted {hits} hits, {stale} stale, {misses} misses, \
         {coalesced} coalesced, {absent} absent, {of_misses} loads of misses, {of_refreshes} of refreshes, {origin} at the origin, \
         {shared} shared",
        shown.reads, shown.answered, shown.cancelled, shown.loading, shown.loads,
    )
}

/// And a request that has loaded.
fn shown<'a>(facts: &'a Facts<'_>, catalog: &'a Testimony) -> (Shown, &'a str) {
    let read = |span: &Span| READS.contains(&span.name.as_str());
    let mut it = Shown::default();
    let mut loading = HashSet::new();
    let mut example = "";
    for span in &catalog.spans {
        if read(span) {
            it.reads += 1;
            it.answered += u64::from(is_answered(span));
            it.cancelled += u64::from(is_cancelled(span));
        }
        if kind(span) != "database client" || !facts.parent(span).is_some_and(read) {
            continue;
        }
        if SHARED.contains(&span.attribute(attributes::DB_SYSTEM_NAME)) {
            let asks = span.attribute(attributes::DB_OPERATION_NAME) == "GET";
            it.asked += u64::from(asks);
        } else {
            it.loads += 1;
            loading.insert(span.parent_id.as_str());
            example = facts.request(span);
        }
    }
    it.loading = loading.len() as u64;
    (it, example)
}

fn is_answered(read: &Span) -> bool {
    let status = read.attribute(attributes::HTTP_RESPONSE_STATUS_CODE);
    status == "200" || (status.is_empty() && !read.failed && !is_cancelled(read))
}

fn is_cancelled(read: &Span) -> bool {
    let status = [
        attributes::HTTP_RESPONSE_STATUS_CODE,
        attributes::RPC_RESPONSE_STATUS_CODE,
    ];
    let said = status.iter().map(|it| read.attribute(it));
    said.into_iter()
        .any(|it| ["499", "CANCELLED"].contains(&it))
}

/// How much a counter has grown while the evidence was collected, by the values of a label.
fn growth<'a>(catalog: &'a Testimony, name: &'a str, label: &str) -> BTreeMap<&'a str, f64> {
    let mut grown = BTreeMap::new();
    for scrapes in &catalog.scrapes {
        let (Some(first), Some(last)) = (scrapes.first(), scrapes.last()) else {
            continue;
        };
        for (labels, value) in last.exposition.series(name) {
            let more = value - first.exposition.value(name, labels);
            let of = labels.get(label).map_or("", String::as_str);
            *grown.entry(of).or_insert(0.0) += more;
        }
    }
    grown
}
