//! What a cache promises: as many hits as theory says, one load for each expiry, nothing older than it may be, and that all of that
//! comes back when a cache is lost.
//!
//! Loads are the catalogue's operations on its database below requests for a product, by their spans: what the cache counts itself is
//! compared with them elsewhere ([`values`](super::values)).

mod expiries;
mod loads;
mod loss;
mod ratio;
mod staleness;
mod theory;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::validity;
use crate::{
    engine::Attempt,
    measurement::Measurement,
    verdict::{Check, Outcome},
};

pub(crate) use self::{
    expiries::{each_is_a_stampede, each_is_one_load, nobody_waits},
    loss::{came_back, pages_stayed_good, table},
    ratio::as_in_theory,
    staleness::{soon_seen, within_its_life},
};

/// How the catalogue's caches are set in an arm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How long a value is fresh, less up to a tenth.
    pub(crate) ttl: Duration,
    /// How long after `ttl` it may be served while it is loaded anew.
    pub(crate) stale: Duration,
    /// How long a load takes, where it is slow on purpose.
    pub(crate) origin: Duration,
    /// Of the catalogue, each with a memory of its own.
    pub(crate) replicas: u32,
    /// How many products are asked for.
    pub(crate) products: u32,
}

impl Settings {
    /// The shortest time for which a value is fresh: lives are shorter by up to a tenth, so that what was loaded together does not
    /// expire together.
    fn shortest(&self) -> Duration {
        self.ttl.mul_f64(1.0 - theory::JITTER)
    }
}

/// The route of a product's page, as clients and spans call it.
const PAGE: &str = "GET /products/{id}";

/// What clients of `phase` saw of the pages of products.
fn pages<'a>(it: &'a Measurement, phase: &str) -> impl Iterator<Item = &'a Attempt> {
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
fn unless_delayed(it: &Measurement, check: Check) -> Check {
    let clients = &it.clients;
    match validity::delayed(&clients.recording, clients.stolen) {
        Some(reason) if check.outcome == Outcome::Fail => Check {
            outcome: Outcome::Invalid,
            ..check
        }
        .because(vec![reason.to_owned()]),
        _ => check,
    }
}

/// When the first arrival was due; long ago, if none ever was.
fn began(it: &Measurement) -> SystemTime {
    it.clients.load.began.unwrap_or(UNIX_EPOCH)
}

/// Nanoseconds since 1970.
fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    in_nanos(since)
}

fn in_nanos(it: Duration) -> u64 {
    u64::try_from(it.as_nanos()).unwrap_or(u64::MAX)
}

/// From when to when a phase was, by the clock of spans and scrapes.
fn window(it: &Measurement, phase: &str) -> Option<std::ops::Range<SystemTime>> {
    let (began, phase) = (began(it), it.clients.phase(phase)?);
    Some(began + phase.from..began + phase.to)
}
