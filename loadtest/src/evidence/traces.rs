//! Whether spans form whole traces, and the traces of the slowest requests.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Evidence,
    otlp::{Kind, Span},
};
use crate::{
    engine::Attempt,
    verdict::{Check, Group, Outcome},
};

/// How many request ids a check names.
const NAMED: usize = 5;

/// Every span has its parent, every answered call has the callee's span, and each request to `route` that succeeded
/// went through all of `services`, or tried: a page comes without what a busy service did not tell in time.
pub(crate) fn connected(
    attempts: &[Attempt],
    evidence: &Evidence,
    route: &str,
    services: &[&str],
) -> Check {
    let spans: Vec<&Span> = evidence.values().flat_map(|it| &it.spans).collect();
    let known: BTreeSet<(&str, &str)> = spans
        .iter()
        .map(|it| (it.trace_id.as_str(), it.id.as_str()))
        .collect();
    let parents: BTreeSet<(&str, &str)> = spans
        .iter()
        .map(|it| (it.trace_id.as_str(), it.parent_id.as_str()))
        .collect();
    let mut broken = BTreeSet::new();
    for span in &spans {
        let root = span.parent_id.is_empty();
        let orphan = !root && !known.contains(&(&span.trace_id, &span.parent_id));
        // A database has no span of its own, and not every event has a listener.
        let asks = match span.kind {
            Kind::Client => span.attribute("db.system.name").is_empty(),
            Kind::Producer => is_heard(span.attribute("messaging.destination.name")),
            _ => false,
        };
        let unheard =
            asks && !span.failed && !parents.contains(&(span.trace_id.as_str(), span.id.as_str()));
        if orphan || unheard {
            broken.insert(span.request_id());
        }
    }
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for span in &spans {
        let service = match span.kind {
            Kind::Server => span.service.as_str(),
            Kind::Client if span.failed => span.attribute("server.address"),
            _ => continue,
        };
        let of_request = seen.entry(span.request_id()).or_default();
        of_request.insert(service);
    }
    let mut pages = 0_usize;
    for attempt in attempts {
        if attempt.route != route || attempt.status != Some(200) {
            continue;
        }
        pages += 1;
        let there = seen.get(attempt.id.as_str());
        if !services
            .iter()
            .all(|it| there.is_some_and(|there| there.contains(it)))
        {
            broken.insert(&attempt.id);
        }
    }
    let outcome = match (pages, broken.is_empty()) {
        (0, _) => Outcome::Invalid,
        (_, true) => Outcome::Pass,
        (_, false) => Outcome::Fail,
    };
    let mut check = Check::new(Group::Reconciliation, "traces are connected", outcome).saw(
        format!(
            "{pages} of {route} over {}, {} requests with broken traces",
            services.join(", "),
            broken.len()
        ),
        "every span with its parent",
    );
    check.request_ids = broken.into_iter().take(NAMED).map(str::to_owned).collect();
    if !check.request_ids.is_empty() {
        check.details.push(format!(
            "spans are missing: requests {}",
            check.request_ids.join(", ")
        ));
    }
    check
}

fn is_heard(kind: &str) -> bool {
    api::QUEUES.iter().any(|it| it.types.contains(&kind))
}

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
    crate::statistics::to_f64(nanos) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{deployment::Service, evidence::Testimony};

    const ROUTE: &str = "GET /products/{id}";

    fn span(id: &str, parent_id: &str, service: &str, kind: Kind, callee: &str) -> Span {
        let request = telemetry::attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID;
        let attributes = [(request, "r-1"), ("server.address", callee)];
        Span {
            trace_id: "t".into(),
            id: id.into(),
            parent_id: parent_id.into(),
            service: service.into(),
            name: String::new(),
            kind,
            start_ns: 0,
            end_ns: 1,
            failed: false,
            attributes: attributes.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        }
    }

    /// A page whose gateway asked the catalogue, after `change`.
    fn outcome(change: impl FnOnce(&mut Vec<Span>)) -> Outcome {
        let mut spans = vec![
            span("a", "", "gateway", Kind::Server, ""),
            span("b", "a", "gateway", Kind::Client, "catalog"),
            span("c", "b", "catalog", Kind::Server, ""),
        ];
        change(&mut spans);
        let testimony = Testimony {
            spans,
            ..Testimony::default()
        };
        let attempt = Attempt {
            id: "r-1".into(),
            phase: 0,
            route: ROUTE.into(),
            intended_us: 0,
            sent_us: 0,
            done_us: 1,
            status: Some(200),
            error: None,
            order: None,
        };
        let evidence = [(Service::Gateway, testimony)].into();
        connected(&[attempt], &evidence, ROUTE, &["gateway", "catalog"]).outcome
    }

    #[test]
    fn a_page_is_whole_if_every_service_was_reached_or_did_not_answer() {
        assert_eq!(outcome(|_| ()), Outcome::Pass);
        let gave_up = outcome(|spans| {
            spans.pop();
            spans[1].failed = true;
        });
        assert_eq!(gave_up, Outcome::Pass);
    }

    #[test]
    fn a_missing_span_is_found_on_either_side() {
        assert_eq!(outcome(|spans| _ = spans.pop()), Outcome::Fail);
        assert_eq!(outcome(|spans| _ = spans.remove(1)), Outcome::Fail);
        assert_eq!(outcome(|spans| spans.truncate(1)), Outcome::Fail);
    }
}
