//! What the processes of a shop take: memory, processor time, descriptors, and time to start.

use std::time::Duration;

use telemetry::names;

use super::phases::{NEXT, SCALED};
use crate::{
    deployment::{Service, Topology},
    evidence::{Scrape, Testimony},
    measurement::Measurement,
    statistics::to_f64,
};

/// Whoever was scraped last so much earlier than the others has ended.
const GONE: Duration = Duration::from_secs(5);

/// What processes take together that are there in the end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Footprint {
    pub(super) processes: usize,
    /// Bytes of memory that is in no file.
    pub(super) anonymous: f64,
    pub(super) open_files: f64,
    /// Series that Prometheus stores.
    pub(super) series: usize,
}

/// Of the whole shop.
pub(super) fn whole(it: &Measurement) -> Footprint {
    sum(it, it.evidence.values())
}

/// Of the processes that search is, or is in.
pub(super) fn of_search(it: &Measurement) -> Footprint {
    sum(it, it.evidence.get(&process(it)).into_iter())
}

/// What search is, or is in.
fn process(it: &Measurement) -> Service {
    let topology = if it.evidence.contains_key(&Service::Monolith) {
        Topology::Monolith
    } else {
        Topology::Services
    };
    topology.process(Service::Search)
}

fn sum<'a>(it: &Measurement, of: impl Iterator<Item = &'a Testimony>) -> Footprint {
    let all = it.evidence.values().flat_map(|it| &it.scrapes);
    let newest = all.filter_map(|it| it.last()).map(|it| it.asked).max();
    let there = |it: &&Scrape| newest.is_some_and(|newest| newest <= it.asked + GONE);
    let mut sum = Footprint::default();
    for scrape in of
        .flat_map(|it| &it.scrapes)
        .filter_map(|it| it.last())
        .filter(there)
    {
        let exposition = &scrape.exposition;
        sum.processes += 1;
        sum.anonymous += exposition.sum(names::PROCESS_ANONYMOUS_MEMORY_BYTES);
        sum.open_files += exposition.sum(names::PROCESS_OPEN_FDS);
        sum.series += exposition.samples().count();
    }
    sum
}

/// Milliseconds of processor time for each request, of all processes.
pub(super) fn cpu_ms(it: &Measurement) -> f64 {
    let seconds: f64 = it.evidence.values().map(Testimony::cpu_seconds).sum();
    let requests = it.clients.load.attempts.len().max(1);
    1000.0 * seconds / to_f64(requests as u64)
}

/// A new version of search, brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Deploy {
    /// Seconds from the start of its process until it takes requests.
    pub(super) start: f64,
    /// Seconds from then until what ran before has ended.
    pub(super) whole: f64,
}

/// How long that took, if it came to that.
pub(super) fn deploy(it: &Measurement) -> Option<Deploy> {
    let process = process(it);
    let own = || it.replicas.of_service(process);
    let new = own().find(|it| it.make.version == Some(NEXT))?;
    let before = own().filter(|it| it.make.version != Some(NEXT));
    let ended = before.filter_map(|it| it.ended).fold(f64::MIN, f64::max);
    Some(Deploy {
        start: new.ready? - new.started,
        whole: ended - new.started,
    })
}

/// Replica-seconds in the phase in which search has three replicas: of what search is in, and of all.
pub(super) fn replica_seconds(it: &Measurement) -> Option<[f64; 2]> {
    let phase = it.clients.phase(SCALED)?;
    let (from, to) = (phase.from.as_secs_f64(), phase.to.as_secs_f64());
    let own = it.replicas.of_service(process(it));
    let own = own.map(|it| it.seconds_within(from, to)).sum();
    let all = it.replicas.presences.iter();
    Some([own, all.map(|it| it.seconds_within(from, to)).sum()])
}
