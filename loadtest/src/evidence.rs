//! What the shop says of a stretch of load: facts, which nothing here judges.
//!
//! Three signals are collected apart from each other: the latency histograms of every service's `/metrics` (as the
//! difference of two scrapes), the access lines in its log, and the spans it exports; and what its ledgers say.

pub mod access_lines;
pub(crate) mod collect;
pub(crate) mod ledgers;
mod log_lines;
pub mod metrics;
mod operation;
pub(crate) mod otlp;
pub mod process_lines;
mod testimony;

pub use operation::Operation;
pub use testimony::{Evidence, Scrape, Testimony};
