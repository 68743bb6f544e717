//! What the shop says of a stretch of load: facts, which nothing here judges.
//!
//! Three signals are collected apart from each other: the latency histograms of every service's `/metrics` (as the
//! difference of two scrapes), the access lines in its log, and the spans it exports; and what its ledgers say.

pub mod access_lines;
pub(crate) mod attributes;
pub(crate) mod collect;
pub(crate) mod ledgers;
mod log_lines;
pub mod metrics;
pub(crate) mod otlp;
pub mod process_lines;

use std::{collections::BTreeMap, time::SystemTime};

use access_lines::AccessLine;
use metrics::Exposition;
use otlp::Span;
use process_lines::ProcessLine;

use crate::deployment::Service;

/// What one service said.
#[derive(Debug, Default)]
pub struct Testimony {
    /// Scrapes in order of time, the first before the load and the last after it; one list for each replica.
    pub scrapes: Vec<Vec<Scrape>>,
    /// Its access lines of that time.
    pub lines: Vec<AccessLine>,
    /// The events it processed.
    pub processed: Vec<ProcessLine>,
    /// Its spans of that time.
    pub spans: Vec<Span>,
}

/// One scrape.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// When it was asked for.
    pub asked: SystemTime,
    /// When the answer was there.
    pub answered: SystemTime,
    /// What it said.
    pub exposition: Exposition,
}

/// What all services said.
pub type Evidence = BTreeMap<Service, Testimony>;

/// One kind of operation with one kind of ending, such as `GET /products` and `200`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// `GET /products/{id}`, or for gRPC `package.Service/Method`.
    pub name: String,
    /// HTTP status, or gRPC status such as `OK`.
    pub status: String,
}
