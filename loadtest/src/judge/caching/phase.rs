//! What clients saw of a phase, and when it was.

use std::{
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{engine::Attempt, judge::validity, measurement::Measurement, verdict::Check};

/// The route of a product's page, as clients and spans call it.
pub(super) const PAGE: &str = "GET /products/{id}";

/// What clients of `phase` saw of the pages of products.
pub(super) fn pages<'a>(it: &'a Measurement, phase: &str) -> impl Iterator<Item = &'a Attempt> {
    let times = it.clients.phase(phase).map(|it| it.from..it.to);
    let attempts = it.clients.load.attempts.iter();
    attempts.filter(move |it| {
        let due = u64::try_from(it.intended_us)
            .ok()
            .map(Duration::from_micros);
        it.route == PAGE
            && times
                .as_ref()
                .zip(due)
                .is_some_and(|(it, due)| it.contains(&due))
    })
}

/// A check that counts time says nothing where the machine was late.
pub(super) fn unless_delayed(it: &Measurement, check: Check) -> Check {
    let clients = &it.clients;
    let delayed = validity::delayed(&clients.recording, clients.stolen);
    validity::unless_delayed(check, delayed)
}

/// When the first arrival was due; long ago, if none ever was.
pub(super) fn began(it: &Measurement) -> SystemTime {
    it.clients.load.began.unwrap_or(UNIX_EPOCH)
}

/// Nanoseconds since 1970.
pub(super) fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    in_nanos(since)
}

pub(super) fn in_nanos(it: Duration) -> u64 {
    u64::try_from(it.as_nanos()).unwrap_or(u64::MAX)
}

/// From when to when a phase was, by the clock of spans and scrapes.
pub(super) fn window(it: &Measurement, phase: &str) -> Option<Range<SystemTime>> {
    let (began, phase) = (began(it), it.clients.phase(phase)?);
    Some(began + phase.from..began + phase.to)
}
