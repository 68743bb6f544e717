//! Look-ups of products at the catalogue, and what each loaded, as spans show them.

use std::collections::HashMap;

use telemetry::attributes;

use super::phase::PAGE;
use crate::{
    deployment::Service,
    evidence::{
        Evidence,
        otlp::{Kind, Span},
    },
};

/// Databases that are shared caches.
const SHARED: [&str; 2] = ["redis", "memcached"];

/// A request for a product that reached the catalogue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// When it came, in nanoseconds since 1970.
    pub(super) at_ns: u64,
    /// Whether it loaded the product, or had it loaded for whoever comes next.
    pub(super) loaded: bool,
}

/// A product read from the database for such a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'a> {
    /// Which start of which replica.
    pub(super) process: &'a str,
    /// The path of the product.
    pub(super) key: &'a str,
    pub(super) request: &'a str,
    /// Nanoseconds since 1970.
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

/// All of both, in order of time.
pub(super) fn of<'a>(evidence: &'a Evidence) -> (Vec<Read>, Vec<Load<'a>>) {
    let spans = evidence.get(&Service::Catalog).map(|it| &it.spans);
    let spans = || spans.into_iter().flatten();
    let pages = spans().filter(|it| it.kind == Kind::Server && it.name == PAGE);
    let mut pages: HashMap<&str, (&'a Span, bool)> =
        pages.map(|it| (it.id.as_str(), (it, false))).collect();
    let mut loads = Vec::new();
    for span in spans() {
        let system = span.attribute(attributes::DB_SYSTEM_NAME);
        if system.is_empty() || SHARED.contains(&system) {
            continue;
        }
        if let Some((page, loaded)) = pages.get_mut(span.parent_id.as_str()) {
            *loaded = true;
            loads.push(Load {
                process: process(span),
                key: page.attribute(attributes::URL_PATH),
                request: page.request_id(),
                start_ns: span.start_ns,
                end_ns: span.end_ns,
            });
        }
    }
    let read = |(page, loaded): (&'a Span, bool)| Read {
        at_ns: page.start_ns,
        loaded,
    };
    let mut reads: Vec<_> = pages.into_values().map(read).collect();
    reads.sort_by_key(|it| it.at_ns);
    loads.sort_by_key(|it| it.start_ns);
    (reads, loads)
}

fn process(span: &Span) -> &str {
    span.resource.attribute(attributes::SERVICE_INSTANCE_ID)
}
