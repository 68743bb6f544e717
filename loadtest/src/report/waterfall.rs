//! The traces of the slowest requests.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    engine::Attempt,
    evidence::{
        Evidence,
        otlp::{Kind, Span},
    },
    statistics::to_f64,
};

/// A request and its trace, for the report's waterfall.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Waterfall {
    pub(crate) request_id: String,
    pub(crate) route: String,
    /// `200`, or what went wrong.
    pub(crate) ending: String,
    /// What the client waited, in milliseconds, and how late the generator was.
    pub(crate) latency_ms: f64,
    pub(crate) lag_ms: f64,
    pub(crate) trace_id: String,
    pub(crate) spans: Vec<Bar>,
}

/// One span of a waterfall.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bar {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// Milliseconds since the first span of the trace began.
    pub(crate) start_ms: f64,
    pub(crate) duration_ms: f64,
    pub(crate) depth: usize,
    pub(crate) failed: bool,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// The `count` slowest of `attempts`, each with its trace; the slowest of each route comes first.
pub(crate) fn slowest(attempts: &[Attempt], evidence: &Evidence, count: usize) -> Vec<Waterfall> {
    let mut order: Vec<&Attempt> = attempts.iter().collect();
    order.sort_by_key(|it| std::cmp::Reverse(it.latency_us()));
    let mut routes = BTreeSet::new();
    let (firsts, others): (Vec<_>, Vec<_>) =
        order.into_iter().partition(|it| routes.insert(&it.route));
    let chosen = firsts.into_iter().chain(others).take(count);
    chosen.map(|it| waterfall(it, evidence)).collect()
}

fn waterfall(attempt: &Attempt, evidence: &Evidence) -> Waterfall {
    let spans = || evidence.values().flat_map(|it| &it.spans);
    let trace_id = spans()
        .find(|it| it.kind == Kind::Server && it.request_id() == attempt.id)
        .map_or(String::new(), |it| it.trace_id.clone());
    let mut of_trace: Vec<&Span> = spans()
        .filter(|it| !trace_id.is_empty() && it.trace_id == trace_id)
        .collect();
    of_trace.sort_by_key(|it| it.start_ns);
    let origin = of_trace.first().map_or(0, |it| it.start_ns);
    let mut bars = Vec::new();
    let ids: BTreeSet<&str> = of_trace.iter().map(|it| it.id.as_str()).collect();
    for root in of_trace
        .iter()
        .filter(|it| !ids.contains(it.parent_id.as_str()))
    {
        descend(root, &of_trace, origin, 0, &mut bars);
    }
    let status = attempt.status.map(|it| it.to_string());
    Waterfall {
        request_id: attempt.id.clone(),
        route: attempt.route.clone(),
        ending: status.or_else(|| attempt.error.clone()).unwrap_or_default(),
        latency_ms: millis(attempt.latency_us() * 1000),
        lag_ms: millis(attempt.lag_us() * 1000),
        trace_id,
        spans: bars,
    }
}

fn descend(span: &Span, all: &[&Span], origin: u64, depth: usize, bars: &mut Vec<Bar>) {
    bars.push(Bar {
        service: span.service.clone(),
        name: span.name.clone(),
        kind: match span.kind {
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
            Kind::Other => "internal",
        },
        start_ms: millis(span.start_ns - origin),
        duration_ms: millis(span.end_ns.saturating_sub(span.start_ns)),
        depth,
        failed: span.failed,
        attributes: span.attributes.clone(),
    });
    for child in all.iter().filter(|it| it.parent_id == span.id) {
        descend(child, all, origin, depth + 1, bars);
    }
}

fn millis(nanos: u64) -> f64 {
    to_f64(nanos) / 1e6
}
