//! What services said, put together.

use std::{collections::BTreeMap, net::SocketAddr, time::SystemTime};

use telemetry::names;

use super::{log_lines::Lines, metrics::Exposition, otlp::Span, usage::Usage};
use crate::deployment::Service;

/// What one service said.
#[derive(Debug, Default)]
pub struct Testimony {
    /// Scrapes in order of time, the first before the load and the last after it; one list for each replica.
    pub scrapes: Vec<Vec<Scrape>>,
    /// Where each of its processes takes requests, by `service.instance.id`.
    pub processes: BTreeMap<String, SocketAddr>,
    /// Its lines of that time.
    pub lines: Lines,
    /// Its spans of that time.
    pub spans: Vec<Span>,
}

impl Testimony {
    /// Processor time of all replicas from their first scrape to their last, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.growth(names::PROCESS_CPU_SECONDS)
    }

    /// How much a counter of this name has grown, all its labels and all replicas together.
    pub(crate) fn growth(&self, counter: &str) -> f64 {
        let ends = self
            .scrapes
            .iter()
            .filter_map(|it| it.first().zip(it.last()));
        let of = |it: &Scrape| it.exposition.sum(counter);
        ends.map(|(first, last)| of(last) - of(first)).sum()
    }
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
    /// What the kernel said of the process before and after, where it was asked.
    pub usage: Option<(Usage, Usage)>,
}

impl Scrape {
    /// That of a process that has counted nothing yet.
    pub(crate) fn of_nothing(at: SystemTime) -> Self {
        Self {
            asked: at,
            answered: at,
            exposition: Exposition::default(),
            usage: None,
        }
    }
}

/// What all services said.
pub type Evidence = BTreeMap<Service, Testimony>;
