//! What a client saw of a request, and what the engine counts.

use std::time::Duration;

use api::OrderStatus;
use serde::{Deserialize, Serialize};

/// One request as the client saw it. Times are microseconds since the first arrival was due, or before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// `x-request-id`, by which every signal can be found.
    pub id: String,
    /// Index of the phase its arrival belongs to.
    pub phase: u16,
    /// Method and route template.
    pub route: String,
    /// When it should have been sent.
    pub intended_us: i64,
    /// When it was sent.
    pub sent_us: i64,
    /// When the last byte of the answer was there, or the client gave up.
    pub done_us: i64,
    /// The answer's status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Why it does not count as a success.
    pub error: Option<String>,
    /// The order that the answer was about, if it was about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order: Option<OrderSeen>,
    /// The product that the answer was about, where it counts how old it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub product: Option<ProductSeen>,
}

/// A product as a reader, or whoever changed it, saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductSeen {
    /// Which product.
    pub id: String,
    /// Rises with each change.
    pub version: i64,
}

/// An order as its buyer saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSeen {
    /// Which order.
    pub id: String,
    /// The idempotency key it was placed under.
    pub key: String,
    /// Where it stood.
    pub status: OrderStatus,
    /// Whether neither card nor stock stand against it.
    pub fair: bool,
}

/// A time since the first arrival was due, as attempts have it.
pub(crate) fn micros(it: Duration) -> i64 {
    i64::try_from(it.as_micros()).unwrap_or(i64::MAX)
}

impl Attempt {
    /// What a shopper waited, in microseconds.
    pub fn latency_us(&self) -> u64 {
        u64::try_from(self.done_us - self.intended_us).unwrap_or(0)
    }

    /// Whether this is a request to order.
    pub(crate) fn places_order(&self) -> bool {
        self.route == "POST /orders"
    }

    /// Whether this is a request to order that the shop has answered: from now on the order must not be lost.
    pub(crate) fn acknowledged_order(&self) -> bool {
        self.places_order() && self.status == Some(202)
    }

    /// The visit that it was part of, which names its order too.
    pub(crate) fn visit(&self) -> &str {
        self.id.rsplit_once('-').map_or(&self.id, |it| it.0)
    }

    /// The same in a plan that began so many microseconds earlier.
    pub(super) fn later(self, shift_us: i64) -> Self {
        Self {
            intended_us: self.intended_us + shift_us,
            sent_us: self.sent_us + shift_us,
            done_us: self.done_us + shift_us,
            ..self
        }
    }

    /// How late the generator itself was, in microseconds.
    pub fn lag_us(&self) -> u64 {
        u64::try_from(self.sent_us - self.intended_us).unwrap_or(0)
    }
}

/// What the engine says while it works: one JSON line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// The first arrival is due now.
    Began,
    /// Once a second.
    Progress(Counts),
    /// At the end, after the last attempt was written.
    Done(Counts),
}

/// What happened so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Arrivals that were due, by phase.
    pub due: Vec<u64>,
    /// Arrivals that found no idle user, by phase.
    pub dropped: Vec<u64>,
    /// Attempts that are over.
    pub attempts: u64,
    /// Attempts that were not successes.
    pub errors: u64,
    /// Attempts that could not be written down.
    pub unrecorded: u64,
}

impl Counts {
    /// Adds what happened in another run of the same phases.
    pub(super) fn add(&mut self, other: &Self) {
        let phases = |own: &mut [u64], other: &[u64]| {
            own.iter_mut().zip(other).for_each(|it| *it.0 += it.1);
        };
        phases(&mut self.due, &other.due);
        phases(&mut self.dropped, &other.dropped);
        self.attempts += other.attempts;
        self.errors += other.errors;
        self.unrecorded += other.unrecorded;
    }
}
