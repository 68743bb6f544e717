//! Compares the signals with each other and with what the clients saw. Nothing may be missing anywhere.
//!
//! - Door: every answered attempt has one access line at the gateway, with the same status, and the reverse.
//! - Signals: at every service, samples = access lines = server spans, for each operation and status.
//! - Edges: what callers counted = what the callee counted; only an attempt the caller gave up may be extra.
//! - Counted: in a deployment that others use too, no answer is missing at the gateway.
//! - Collected: there, what Elasticsearch and Jaeger have of our own requests is all of it, once.
//! - Protections: every rejected call has its span, every retry its attempt, every change of a breaker and every ejection its line.
//! - Events: what was sent was processed by everyone it is for, and at every service samples = lines = spans for events too.

mod collected;
mod counted;
mod door;
mod edges;
mod events;
mod mismatch;
mod protections;
mod samples;
mod signals;

pub(crate) use collected::{Collected, collected};
pub(crate) use counted::counted;
pub use edges::{Edge, edges};

use super::{saga, traces, validity};
use crate::{engine::Attempt, evidence::Evidence, measurement::Measurement, verdict::Check};

/// The route of a product's page, as clients call it.
const PAGE: &str = "GET /products/{id}";

/// Whether all signals of this stretch tell the same story, or why that cannot be said.
pub(crate) fn all(it: &Measurement) -> Vec<Check> {
    if let Some(reason) = validity::cannot_reconcile(it) {
        return vec![reason];
    }
    let attempts = &it.clients.load.attempts;
    let mut checks = reconcile(attempts, &it.evidence);
    // Where nobody looks at a product, no page has a trace.
    if attempts.iter().any(|it| it.route == PAGE) {
        let over = ["gateway", "catalog", "inventory"];
        checks.push(traces::connected(attempts, &it.evidence, PAGE, &over));
    }
    // Where nobody buys, no order has a path.
    if attempts.iter().any(Attempt::places_order) {
        checks.push(saga::check(attempts, &it.evidence, &it.ledgers));
    }
    checks
}

/// Every comparison, as checks.
pub fn reconcile(attempts: &[Attempt], evidence: &Evidence) -> Vec<Check> {
    let mut checks = Vec::new();
    for (service, testimony) in evidence {
        if service.is_public() {
            let lines = testimony.lines.access.iter();
            let lines = lines.map(|it| (it.request_id.as_str(), it.operation.status.as_str()));
            checks.push(door::check(service.name(), attempts, lines));
        }
    }
    for (service, testimony) in evidence.iter().filter(|it| signals::any(it.1)) {
        checks.push(signals::check(*service, testimony));
    }
    for service in evidence.keys().filter(|it| !it.is_public()) {
        checks.extend(edges::check(*service, evidence));
    }
    checks.extend(protections::check(evidence));
    checks.extend(events::checks(evidence));
    checks
}

#[cfg(test)]
mod tests;
