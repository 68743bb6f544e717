//! What caches count.

use std::sync::LazyLock;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family},
};
use telemetry::names;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    cache: &'static str,
    result: Outcome,
}

/// What became of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the label shows them")]
pub(crate) enum Outcome {
    hit,
    stale,
    miss,
    coalesced,
    absent,
}

static REQUESTS: LazyLock<Family<RequestLabels, Counter>> = LazyLock::new(|| {
    let help = "Look-ups by result: coalesced ones waited for a load already in progress, stale ones were served \
                while a fresh value was loaded, absent ones were of keys known not to exist";
    telemetry::register(names::CACHE_REQUESTS, help, Family::default())
});

/// Counts a look-up.
pub(crate) fn looked_up(cache: &'static str, result: Outcome) {
    let labels = RequestLabels { cache, result };
    REQUESTS.get_or_create(&labels).inc();
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoadLabels {
    cache: &'static str,
    reason: Reason,
    source: Source,
}

/// Why a value is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the label shows them")]
pub(crate) enum Reason {
    miss,
    refresh,
}

/// Where it is loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the label shows them")]
pub(crate) enum Source {
    shared,
    origin,
}

static LOADS: LazyLock<Family<LoadLabels, Counter>> = LazyLock::new(|| {
    let help = "Finished loads, by reason (a miss, or the refresh of a stale value) and by source (the shared cache, or the \
                origin, whatever came of it)";
    telemetry::register(names::CACHE_LOADS, help, Family::default())
});

/// Counts a load that is over.
pub(crate) fn loaded(cache: &'static str, reason: Reason, source: Source) {
    let labels = LoadLabels {
        cache,
        reason,
        source,
    };
    LOADS.get_or_create(&labels).inc();
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InvalidationLabels {
    cache: &'static str,
    scope: Scope,
}

/// How much is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the label shows them")]
pub(crate) enum Scope {
    key,
    all,
}

static INVALIDATIONS: LazyLock<Family<InvalidationLabels, Counter>> = LazyLock::new(|| {
    let help =
        "Invalidations: of one value that changed, or of all because changes may have been missed";
    telemetry::register(names::CACHE_INVALIDATIONS, help, Family::default())
});

/// Counts an invalidation.
pub(crate) fn invalidated(cache: &'static str, scope: Scope) {
    let labels = InvalidationLabels { cache, scope };
    INVALIDATIONS.get_or_create(&labels).inc();
}
