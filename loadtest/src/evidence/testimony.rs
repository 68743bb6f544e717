//! What services said, put together.

use std::{collections::BTreeMap, time::SystemTime};

use super::{
    access_lines::AccessLine, metrics::Exposition, otlp::Span, process_lines::ProcessLine,
};
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
