//! Turns a measurement and its checks into the report of an arm.

use std::cmp::Reverse;

use telemetry::names;

use super::{
    document::{ArmReport, Details, LoadFigures, Mark, PhaseSpan, Resources, RouteFigures, Second},
    replicas, waterfall,
};
use crate::{
    evidence::{Evidence, Scrape, Testimony},
    experiment::Arm,
    judge::reconcile::edges,
    measurement::{ClientView, Measurement},
    recording::{Cell, Recording},
    statistics::{Confidence, Estimate, percentiles, to_f64},
    verdict::{Check, judge},
};

/// How many of the slowest requests are shown with their traces.
const SLOWEST: usize = 8;

/// The report of an arm, of whose `objectives` this is known already.
pub(crate) fn report(arm: &Arm, it: &Measurement, objectives: Vec<Check>) -> ArmReport {
    let clients = &it.clients;
    let lag = clients.recording.lag();
    let mut checks = objectives;
    checks.extend(arm.checks.iter().flat_map(|check| check(it)));
    checks.extend(arm.claim.missing(&checks));
    // Those of one group stay in their order.
    checks.sort_by_key(|it| it.group);
    ArmReport {
        name: arm.name,
        description: arm.description,
        claim: arm.claim,
        outcome: judge(arm.claim, &checks),
        checks,
        looks: clients.looks,
        confidence: 1.0 - clients.confidence.alpha(),
        load: LoadFigures {
            users: clients.users,
            attempts: clients.load.attempts.len(),
            counts: clients.load.counts.clone().ok(),
            lag_p50_ms: millis(lag.value_at_quantile(0.5)),
            lag_p99_ms: millis(lag.value_at_quantile(0.99)),
            lag_max_ms: millis(lag.max()),
        },
        routes: routes(&clients.recording, shown(clients)),
        edges: it
            .evidence
            .keys()
            .flat_map(|service| edges(*service, &it.evidence))
            .filter(|edge| !edge.caller.is_empty())
            .collect(),
        resources: resources(&it.evidence),
        tables: arm.tables.iter().map(|table| table(it)).collect(),
        observed: None,
        details: Some(details(it)),
    }
}

/// The phase whose latencies are shown: the measured one, or else the longest.
fn shown(clients: &ClientView) -> u16 {
    let lengths = (0..).zip(
        clients
            .phases
            .iter()
            .map(|it| it.to.saturating_sub(it.from)),
    );
    let longest = lengths.max_by_key(|it: &(u16, _)| (it.1, Reverse(it.0)));
    clients.measured.or(longest.map(|it| it.0)).unwrap_or(0)
}

fn routes(recording: &Recording, phase: u16) -> Vec<RouteFigures> {
    let in_millis = |it: Estimate| Estimate {
        value: it.value / 1000.0,
        low: it.low / 1000.0,
        high: it.high / 1000.0,
    };
    recording
        .routes(phase)
        .into_iter()
        .map(|route| {
            let seconds = recording.seconds(phase, &[&route]);
            let histograms: Vec<_> = seconds.values().map(|it| &it.latency).collect();
            let [p50, p95, p99] = percentiles(&histograms, [0.5, 0.95, 0.99], Confidence::P95);
            RouteFigures {
                route,
                requests: seconds.values().map(|it| it.latency.len()).sum(),
                errors: seconds.values().map(|it| it.errors).sum(),
                p50_ms: p50.map(in_millis),
                p95_ms: p95.map(in_millis),
                p99_ms: p99.map(in_millis),
                max_ms: millis(histograms.iter().map(|it| it.max()).max().unwrap_or(0)),
            }
        })
        .collect()
}

fn resources(evidence: &Evidence) -> Vec<Resources> {
    evidence
        .iter()
        .map(|(service, testimony)| Resources {
            service: service.to_string(),
            replicas: testimony.scrapes.len(),
            cpu_s: testimony.cpu_seconds(),
            peak_memory_mb: peak_memory(testimony) / 1e6,
        })
        .collect()
}

fn peak_memory(testimony: &Testimony) -> f64 {
    let read = |it: &Scrape| it.exposition.sum(names::PROCESS_RESIDENT_MEMORY_BYTES);
    let of_replica = |it: &Vec<Scrape>| it.iter().map(read).fold(0.0, f64::max);
    testimony.scrapes.iter().map(of_replica).sum()
}

fn details(it: &Measurement) -> Details {
    let phases = it.clients.phases.iter().map(|phase| PhaseSpan {
        name: phase.name.clone(),
        from: phase.from.as_secs_f64(),
        to: phase.to.as_secs_f64(),
    });
    let happened = it.happened.iter().map(|it| Mark {
        at: it.at.as_secs_f64(),
        what: it.what.clone(),
    });
    let scaled = it.replicas.changes().map(|it| Mark {
        at: it.at,
        what: it.decision.change(),
    });
    let cells = it.clients.recording.timeline();
    Details {
        phases: phases.collect(),
        happened: happened.chain(scaled).collect(),
        replicas: replicas::charts(&it.replicas, it.clients.length().as_secs_f64()),
        seconds: cells
            .iter()
            .map(|((route, at), cell)| second(route, *at, cell))
            .collect(),
        traces: waterfall::slowest(&it.clients.load.attempts, &it.evidence, SLOWEST),
    }
}

fn second(route: &str, at: u32, cell: &Cell) -> Second {
    let quantile = |p| millis(cell.latency.value_at_quantile(p));
    Second {
        at,
        route: route.to_owned(),
        requests: cell.latency.len(),
        errors: cell.errors,
        p50_ms: quantile(0.5),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
        max_ms: millis(cell.latency.max()),
    }
}

fn millis(micros: u64) -> f64 {
    to_f64(micros) / 1000.0
}
