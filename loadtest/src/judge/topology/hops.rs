//! What requests cost between services: calls, those of them that went over a connection, and the bytes of their bodies.

use std::collections::{BTreeMap, HashMap};

use telemetry::attributes;

use crate::{
    evidence::otlp::{Kind, Span},
    measurement::Measurement,
    statistics::to_f64,
};

/// Calls per request that differ by less are the same: now and then one is tried again.
pub(super) const ROUNDING: f64 = 0.05;

/// The calls of all requests of a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hops {
    pub(super) requests: usize,
    pub(super) calls: usize,
    /// Those that went over a connection.
    pub(super) remote: usize,
    /// Of the bodies that went over connections, both ways.
    pub(super) bytes: usize,
}

impl Hops {
    fn add(&mut self, span: &Span) {
        self.calls += 1;
        if span.attribute(attributes::SERVER_PORT).is_empty() {
            return;
        }
        self.remote += 1;
        let sizes = [
            attributes::HTTP_REQUEST_BODY_SIZE,
            attributes::HTTP_RESPONSE_BODY_SIZE,
        ];
        let sizes = sizes.iter().map(|it| span.attribute(it).parse::<usize>());
        self.bytes += sizes.filter_map(Result::ok).sum::<usize>();
    }

    fn each(&self, of: usize) -> f64 {
        to_f64(of as u64) / to_f64(self.requests.max(1) as u64)
    }

    pub(super) fn calls_each(&self) -> f64 {
        self.each(self.calls)
    }

    pub(super) fn remote_each(&self) -> f64 {
        self.each(self.remote)
    }

    pub(super) fn bytes_each(&self) -> f64 {
        self.each(self.bytes)
    }
}

/// By route, of the requests that were answered well.
pub(super) fn by_route(it: &Measurement) -> BTreeMap<String, Hops> {
    let well = it.clients.load.attempts.iter();
    let well = well.filter(|it| it.error.is_none());
    let routes = well.map(|it| (it.id.as_str(), it.route.as_str()));
    let spans = it.evidence.values().flat_map(|it| &it.spans);
    count(&routes.collect(), spans)
}

/// `routes` are those of requests by their ids.
pub(super) fn count<'a>(
    routes: &HashMap<&str, &str>,
    spans: impl Iterator<Item = &'a Span>,
) -> BTreeMap<String, Hops> {
    let mut all: BTreeMap<String, Hops> = BTreeMap::new();
    for route in routes.values() {
        all.entry((*route).to_owned()).or_default().requests += 1;
    }
    for span in spans.filter(|it| calls(it)) {
        let route = routes.get(span.request_id()).copied();
        if let Some(hops) = route.and_then(|it| all.get_mut(it)) {
            hops.add(span);
        }
    }
    all
}

/// Whether it is the caller's side of a call to a service; clients of databases have spans too.
fn calls(span: &Span) -> bool {
    span.kind == Kind::Client
        && span.attribute(attributes::DB_SYSTEM_NAME).is_empty()
        && !span.attribute(attributes::SERVER_ADDRESS).is_empty()
}
