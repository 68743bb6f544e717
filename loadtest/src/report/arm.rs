//! Turns a measurement and its checks into the report of an arm.

use telemetry::names;

use super::{
    document::{ArmReport, Details, LoadFigures, PhaseSpan, Resources, RouteFigures, Second},
    waterfall,
};
use crate::{
    evidence::{Evidence, Scrape, Testimony},
    judge::reconcile::edges,
    measurement::Measurement,
    recording::{Cell, Recording},
    statistics::{Estimate, percentiles, to_f64},
    verdict::{Check, Expectation, judge},
};

/// How many of the slowest requests are shown with their traces.
const SLOWEST: usize = 8;

/// The report of `it`, whose objectives are about phase `measured`.
pub(crate) fn report(
    it: &Measurement,
    description: &str,
    expectation: Expectation,
    measured: u16,
    checks: Vec<Check>,
) -> ArmReport {
    let lag = it.recording.lag();
    ArmReport {
        name: it.plan.name.clone(),
        description: description.to_owned(),
        expectation,
        outcome: judge(expectation, &checks),
        checks,
        load: LoadFigures {
            users: it.plan.users,
            attempts: it.load.attempts.len(),
            counts: it.load.counts.clone().ok(),
            lag_p50_ms: millis(lag.value_at_quantile(0.5)),
            lag_p99_ms: millis(lag.value_at_quantile(0.99)),
            lag_max_ms: millis(lag.max()),
        },
        routes: routes(&it.recording, measured),
        edges: it
            .evidence
            .keys()
            .flat_map(|service| edges(*service, &it.evidence))
            .filter(|edge| !edge.caller.is_empty())
            .collect(),
        resources: resources(&it.evidence),
        kills: Vec::new(),
        details: Some(details(it)),
    }
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
            let [p50, p95, p99] = percentiles(&histograms, [0.5, 0.95, 0.99]);
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
            cpu_s: cpu_seconds(testimony),
            peak_memory_mb: peak_memory(testimony) / 1e6,
        })
        .collect()
}

fn cpu_seconds(testimony: &Testimony) -> f64 {
    let read = |it: &Scrape| it.exposition.sum(names::PROCESS_CPU_SECONDS);
    let of_replica = |it: &Vec<Scrape>| match (it.first(), it.last()) {
        (Some(first), Some(last)) => read(last) - read(first),
        _ => 0.0,
    };
    testimony.scrapes.iter().map(of_replica).sum()
}

fn peak_memory(testimony: &Testimony) -> f64 {
    let read = |it: &Scrape| it.exposition.sum(names::PROCESS_RESIDENT_MEMORY_BYTES);
    let of_replica = |it: &Vec<Scrape>| it.iter().map(read).fold(0.0, f64::max);
    testimony.scrapes.iter().map(of_replica).sum()
}

fn details(it: &Measurement) -> Details {
    let mut from = 0.0;
    let mut phases = Vec::new();
    for phase in &it.plan.phases {
        let to = from + phase.seconds;
        phases.push(PhaseSpan {
            name: phase.name.clone(),
            from,
            to,
        });
        from = to;
    }
    let cells = it.recording.timeline();
    Details {
        phases,
        seconds: cells
            .iter()
            .map(|((route, at), cell)| second(route, *at, cell))
            .collect(),
        traces: waterfall::slowest(&it.load.attempts, &it.evidence, SLOWEST),
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
