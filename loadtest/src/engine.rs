//! The load engine: goose users released by an arrival process that waits for nobody.
//!
//! In a closed loop a user sends its next request when the last was answered, so a stalled server is asked less and its
//! stall is hardly seen ("coordinated omission", Gil Tene). Here arrivals come when they are due. Latency counts from
//! the intended start; an arrival that finds no idle user is counted as dropped.
//!
//! The engine runs in a process of its own: goose prints to standard output, takes Ctrl-C and keeps state for the whole
//! process, and the process boundary keeps the generator's clock apart from the work of collecting evidence.

pub mod arrivals;
mod attempt;
pub(crate) mod child;
mod doors;
pub mod mix;
pub(crate) mod parent;
pub mod plan;
mod recorder;
pub(crate) mod request;
pub(crate) mod state;
mod turnstile;
pub(crate) mod visit;

pub use attempt::{Attempt, Counts, OrderSeen, ProductSeen};
pub(crate) use attempt::{Event, micros};
