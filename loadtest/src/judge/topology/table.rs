//! The guide's comparison in figures: seven rows, as services and as one process.

use super::{
    blast, footprint, hops,
    phases::{BURNS, CALM, KILLED, LEAKS, OWN, REPLACED, SCALED, STEADY},
};
use crate::{
    measurement::Measurement,
    statistics::to_f64,
    table::{Cell, Table},
};

/// Bytes in a megabyte.
const MB: f64 = 1e6;
/// What is not measured while a shop runs.
const ELSEWHERE: &str = "scripts/rebuild";

/// The routes of one arm while something was done to search: how many failed, of how many.
pub(crate) fn routes(it: &Measurement) -> Table {
    let phases = [CALM, KILLED, LEAKS, BURNS, REPLACED, SCALED];
    let fates = phases.map(|phase| blast::in_phase(it, phase));
    let mut names: Vec<_> = fates.iter().flat_map(|it| it.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let row = |route: &&String| {
        let cell = |fates: &blast::Fates| {
            let fate = fates.get(*route).copied().unwrap_or_default();
            Cell::Text(format!("{}/{}", fate.failed, fate.requests))
        };
        let failed = fates.iter().map(cell);
        std::iter::once(Cell::Text((*route).clone()))
            .chain(failed)
            .collect()
    };
    Table {
        title: "Requests that failed, of those that were due meanwhile",
        columns: &[
            "route", "calm", "killed", "leaks", "burns", "replaced", "scaled",
        ],
        rows: names.iter().map(row).collect(),
    }
}

/// A line of the comparison: its row, what is measured, and the figure of each shop.
struct Line(&'static str, String, [String; 2]);

/// The comparison, given the arms in their order: both shops under load, and both while something is done to search.
pub(crate) fn compared(arms: &[Measurement]) -> Table {
    let mut lines = Vec::new();
    if let [services, monolith, hurt_services, hurt_monolith] = arms {
        let (both, hurt) = ([services, monolith], [hurt_services, hurt_monolith]);
        structure(&mut lines, both);
        deployment(&mut lines, hurt);
        scaling(&mut lines, hurt);
        let elsewhere = [ELSEWHERE.to_owned(), ELSEWHERE.to_owned()];
        lines.push(Line(
            "development",
            "rebuild and tests after a change of search".into(),
            elsewhere,
        ));
        dependencies(&mut lines, both);
        failures(&mut lines, hurt);
        complexity(&mut lines, both);
    }
    let row = |Line(row, what, [services, monolith])| {
        [row.to_owned(), what, services, monolith]
            .map(Cell::Text)
            .to_vec()
    };
    Table {
        title: "The same shop as seven services and in one process",
        columns: &["row", "figure", "services", "one process"],
        rows: lines.into_iter().map(row).collect(),
    }
}

fn structure(lines: &mut Vec<Line>, both: [&Measurement; 2]) {
    let mut line = |what: &str, figures| lines.push(Line("structure", what.to_owned(), figures));
    let whole = both.map(footprint::whole);
    line("processes", whole.map(|it| it.processes.to_string()));
    line("memory in no file", whole.map(|it| megabytes(it.anonymous)));
    line(
        "processor time for each request",
        both.map(|it| format!("{:.1} ms", footprint::cpu_ms(it))),
    );
    // All spans are gone through for this.
    let hops = both.map(hops::by_route);
    for route in hops[0].keys() {
        let own = hops.each_ref().map(|it| it.get(route).copied());
        let own = own.map(Option::unwrap_or_default);
        line(
            &format!("{route}: hops over a network"),
            own.map(|it| format!("{:.2}", it.remote_each())),
        );
        line(
            &format!("{route}: bytes of bodies on them"),
            own.map(|it| format!("{:.0}", it.bytes_each())),
        );
        let latencies = both.map(|it| {
            let of = |p| milliseconds(blast::latency_ms(it, STEADY, p, |it| it == route));
            format!("{}, {}", of(0.5), of(0.95))
        });
        line(&format!("{route}: p50, p95"), latencies);
    }
}

fn deployment(lines: &mut Vec<Line>, hurt: [&Measurement; 2]) {
    let seconds = |of: fn(footprint::Deploy) -> f64| {
        hurt.map(|it| {
            let deploy = footprint::deploy(it);
            deploy.map_or_else(|| "-".to_owned(), |it| format!("{:.2} s", of(it)))
        })
    };
    let line = |what: &str, figures| Line("deployment", what.to_owned(), figures);
    lines.push(line(
        "start, until it takes requests",
        seconds(|it| it.start),
    ));
    lines.push(line(
        "a new version of search, until the old one has ended",
        seconds(|it| it.whole),
    ));
    let failed = hurt.map(|it| {
        let fates = blast::in_phase(it, REPLACED);
        fates.values().map(|it| it.failed).sum::<u64>().to_string()
    });
    lines.push(line("requests that failed meanwhile", failed));
}

fn scaling(lines: &mut Vec<Line>, hurt: [&Measurement; 2]) {
    let line = |what: &str, figures| Line("scaling", what.to_owned(), figures);
    let processes = hurt.map(|it| footprint::whole(it).processes.to_string());
    lines.push(line("processes with three of search", processes));
    let added = hurt.map(|it| {
        let own = footprint::of_search(it);
        megabytes(2.0 * own.anonymous / to_f64(own.processes.max(1) as u64))
    });
    lines.push(line("memory of two more of search", added));
    let seconds = hurt.map(|it| {
        let seconds = footprint::replica_seconds(it);
        seconds.map_or_else(
            || "-".to_owned(),
            |[own, all]| format!("{own:.0} of {all:.0} s"),
        )
    });
    lines.push(line("replica-seconds of what was scaled, of all", seconds));
}

fn dependencies(lines: &mut Vec<Line>, both: [&Measurement; 2]) {
    let line = |what: &str, figures| Line("dependencies", what.to_owned(), figures);
    let remote = both.map(|it| {
        let all = hops::by_route(it);
        let (calls, remote) = all.values().fold((0, 0), |(calls, remote), it| {
            (calls + it.calls, remote + it.remote)
        });
        format!("{remote} of {calls}")
    });
    lines.push(line("calls that a network could lose", remote));
    let files = both.map(|it| format!("{:.0}", footprint::whole(it).open_files));
    lines.push(line("file descriptors open when idle", files));
}

fn failures(lines: &mut Vec<Line>, hurt: [&Measurement; 2]) {
    let line = |what: &str, figures| Line("failures", what.to_owned(), figures);
    for (phase, what) in [
        (KILLED, "routes that die when search is killed"),
        (LEAKS, "routes that die when search leaks"),
    ] {
        let dead = hurt.map(|it| {
            let (dead, all) = blast::dead(it, phase);
            format!("{} of {all}", dead.len())
        });
        lines.push(line(what, dead));
    }
    for (phase, what) in [
        (CALM, "p95 of the other routes when all is well"),
        (BURNS, "the same while search burns CPU"),
    ] {
        let p95 = hurt.map(|it| milliseconds(blast::latency_ms(it, phase, 0.95, |it| it != OWN)));
        lines.push(line(what, p95));
    }
}

fn complexity(lines: &mut Vec<Line>, both: [&Measurement; 2]) {
    let line = |what: &str, figures| Line("complexity", what.to_owned(), figures);
    let listeners = both.map(|it| (2 * footprint::whole(it).processes).to_string());
    lines.push(line("ports that are listened on", listeners));
    let series = both.map(|it| footprint::whole(it).series.to_string());
    lines.push(line("series to store", series));
    let spans = both.map(|it| {
        let spans: usize = it.evidence.values().map(|it| it.spans.len()).sum();
        let requests = it.clients.load.attempts.len().max(1);
        format!("{:.1}", to_f64(spans as u64) / to_f64(requests as u64))
    });
    lines.push(line("spans for each request", spans));
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / MB)
}

fn milliseconds(it: Option<f64>) -> String {
    it.map_or_else(|| "-".to_owned(), |it| format!("{it:.1} ms"))
}
