//! At rest, what must be nothing is nothing, who is there is known, and a process uses what the kernel says it does.

use telemetry::names;

use super::{facts::Facts, findings::Findings};
use crate::{
    deployment::Service,
    evidence::{Scrape, Testimony, metrics::Exposition, usage::Usage},
    statistics::to_f64,
    verdict::Check,
};

/// What is nothing while nothing is asked of the shop.
const NOTHING: [&str; 9] = [
    names::ADMISSION_IN_FLIGHT,
    names::ADMISSION_WAITING,
    names::CLIENT_BULKHEAD_CALLS,
    names::HTTP_SERVER_ACTIVE_REQUESTS,
    names::MESSAGING_OUTBOX_MESSAGES,
    names::MESSAGING_QUEUE_MESSAGES,
    names::ORDERS_PENDING,
    names::PASSWORD_HASHES_PENDING,
    names::SEARCH_REBUILD_PRODUCTS,
];
/// A delivery fails so often before its event is given up.
const TRIES: u64 = 5;

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, testimony) in facts.testimonies() {
        let last = testimony.scrapes.iter().filter_map(|it| it.last());
        for scrape in last {
            at_rest(facts, service, &scrape.exposition, &mut findings);
            if let Some((before, after)) = &scrape.usage {
                process(service, &scrape.exposition, before, after, &mut findings);
            }
        }
        dead_letters(service, testimony, &mut findings);
    }
    findings.into_check(
        "gauges are true at rest",
        "gauges",
        "nothing in progress, everybody known, and what the kernel says of each process",
    )
}

fn at_rest(facts: &Facts<'_>, service: Service, said: &Exposition, findings: &mut Findings) {
    for name in NOTHING {
        findings.look();
        let value = said.sum(name);
        if value != 0.0 {
            findings.add(format!("{service}: {name}"), "", || {
                format!("{value}, and nothing is in progress")
            });
        }
    }
    findings.look();
    let ready = said.sum(names::SERVICE_READY);
    if (ready - 1.0).abs() > 0.5 {
        findings.add(format!("{service}: {}", names::SERVICE_READY), "", || {
            format!("{ready}, and it was ready")
        });
    }
    for (labels, known) in said.series(names::DISCOVERY_REPLICAS) {
        findings.look();
        let upstream = labels.get(names::SERVER_ADDRESS);
        let testimony = facts
            .testimonies()
            .find(|it| Some(it.0.name()) == upstream.map(String::as_str));
        let there = testimony.map_or(0, |it| it.1.processes.len());
        if (known - to_f64(there as u64)).abs() > 0.5 {
            let about = format!("{service}: {}{labels:?}", names::DISCOVERY_REPLICAS);
            findings.add(about, "", || {
                format!("{known} are known, {there} are there")
            });
        }
    }
    for (labels, max) in said.series(names::DB_CLIENT_CONNECTION_MAX) {
        findings.look();
        let pool = labels.get(names::DB_CLIENT_CONNECTION_POOL_NAME);
        let open = said.series(names::DB_CLIENT_CONNECTION_COUNT);
        let of_pool = open.filter(|it| it.0.get(names::DB_CLIENT_CONNECTION_POOL_NAME) == pool);
        let open: f64 = of_pool.map(|it| it.1).sum();
        if open > max {
            let about = format!("{service}: {}", names::DB_CLIENT_CONNECTION_COUNT);
            findings.add(about, "", || format!("{open} of at most {max} in {pool:?}"));
        }
    }
}

/// Between two readings of the kernel's, what a process said of itself.
fn process(
    service: Service,
    said: &Exposition,
    before: &Usage,
    after: &Usage,
    findings: &mut Findings,
) {
    /// How far descriptors may be apart: the scrape has one.
    const FILES: f64 = 2.0;
    /// A tick on either side.
    const CLOCK_S: f64 = 0.02;
    /// The machine's start is told in whole seconds, and counted back from now.
    const BOOT_S: f64 = 1.1;
    let memory = 0.1 * before.resident.max(after.resident);
    for (name, from, to, margin) in [
        (
            names::PROCESS_CPU_SECONDS,
            before.cpu_s,
            after.cpu_s,
            CLOCK_S,
        ),
        (
            names::PROCESS_RESIDENT_MEMORY_BYTES,
            before.resident,
            after.resident,
            memory,
        ),
        (
            names::PROCESS_START_TIME_SECONDS,
            before.started,
            after.started,
            BOOT_S,
        ),
        (
            names::PROCESS_OPEN_FDS,
            before.open_files,
            after.open_files,
            FILES,
        ),
    ] {
        findings.look();
        let value = said.sum(name);
        let (low, high) = (from.min(to) - margin, from.max(to) + margin);
        if !(low..=high).contains(&value) {
            findings.add(format!("{service}: {name}"), "", || {
                format!("{value}, and the kernel says {from} before and {to} after")
            });
        }
    }
}

/// No event is given up that has not failed often enough.
fn dead_letters(service: Service, testimony: &Testimony, findings: &mut Findings) {
    findings.look();
    let lines = testimony.lines.processed.iter();
    let failed = lines.filter(|it| it.failed()).count() as u64;
    let grown: f64 = testimony
        .scrapes
        .iter()
        .filter_map(|it| Some((it.first()?, it.last()?)))
        .map(|(first, last)| {
            let of = |it: &Scrape| it.exposition.sum(names::MESSAGING_DEAD_LETTERS);
            (of(last) - of(first)).max(0.0)
        })
        // Replicas show the same queue.
        .fold(0.0, f64::max);
    if grown > to_f64(failed / TRIES) {
        let about = format!("{service}: {}", names::MESSAGING_DEAD_LETTERS);
        findings.add(about, "", || {
            format!("{grown} events were given up, {failed} deliveries failed")
        });
    }
}
