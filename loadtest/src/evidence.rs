//! What the shop says of a stretch of load: facts, which nothing here judges.
//!
//! Three signals are collected apart from each other: every service's `/metrics` (of which counters are the difference of two
//! scrapes), the lines in its log, and the spans it exports; and what its ledgers say. Of a deployment that is not ours, lines and spans are
//! found where they were collected: in Elasticsearch and in Jaeger.

pub mod access_lines;
pub(crate) mod admin;
pub(crate) mod collect;
pub(crate) mod documents;
pub mod event_lines;
pub(crate) mod jaeger;
pub(crate) mod ledgers;
pub mod log_lines;
pub mod metrics;
mod operation;
pub(crate) mod otlp;
pub mod process_lines;
mod testimony;
pub mod usage;
pub mod written;

pub use operation::Operation;
pub use testimony::{Evidence, Scrape, Testimony};
