//! What clients saw of a phase, and when it was.

use std::{
    ops::Range,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{engine::Attempt, measurement::Measurement};

/// The route of a product's page, as clients and spans call it.
pub(super) const PAGE: &str = "GET /products/{id}";

/// What clients of `phase` saw of the pages of products.
pub(super) fn pages<'a>(it: &'a Measurement, phase: &str) -> impl Iterator<Item = &'a Attempt> {
    let phase = it.clients.phase(phase);
    let attempts = it.clients.load.attempts.iter();
    attempts.filter(move |it| it.route == PAGE && phase.is_some_and(|phase| phase.has(it)))
}

/// When the first arrival was due; long ago, if none ever was.
pub(super) fn began(it: &Measurement) -> SystemTime {
    it.clients.load.began.unwrap_or(UNIX_EPOCH)
}

/// From when to when a phase was, by the clock of spans and scrapes.
pub(super) fn window(it: &Measurement, phase: &str) -> Option<Range<SystemTime>> {
    let (began, phase) = (began(it), it.clients.phase(phase)?);
    Some(began + phase.from..began + phase.to)
}
