//! Whether replicas came and went as they should, and took their share.

use std::collections::BTreeMap;

use telemetry::names;

use crate::{
    deployment::{SERVICES, Service},
    engine::Attempt,
    evidence::{Scrape, Testimony},
    measurement::{Measurement, Replicas},
    statistics::to_f64,
    verdict::{Check, Group, Outcome},
};

/// How often the direction may change: up with the load, and down after it.
const MAX_TURNS: usize = 2;
/// With fewer requests chance alone may take a share further from what is fair than is allowed.
const MIN_REQUESTS: f64 = 400.0;
/// How far from its fair share a replica may be.
const MAX_UNFAIR: f64 = 0.25;
/// So long after it is found, a replica is warm.
const WARM_AFTER: f64 = 2.0;
/// How many requests or replicas a check names.
const NAMED: usize = 5;

/// Whether all services but `service` had the replicas they began with, and no more.
pub(crate) fn nothing_else(it: &Measurement, service: Service) -> Check {
    let length = it.clients.length().as_secs_f64();
    others(&it.replicas, service, length)
}

fn others(replicas: &Replicas, service: Service, length: f64) -> Check {
    let mut changed = Vec::new();
    for other in SERVICES.into_iter().filter(|it| *it != service) {
        for presence in replicas.of_service(other) {
            if (0.0..=length).contains(&presence.started) {
                changed.push(format!("{}: started under load", presence.instance));
            }
            if presence.left.is_some_and(|it| (0.0..=length).contains(&it)) {
                changed.push(format!("{}: taken away under load", presence.instance));
            }
        }
    }
    let seen = match changed.len() {
        0 => "all others as they were".to_owned(),
        count => format!("{count} changes of others"),
    };
    Check::new(
        Group::Audit,
        format!("only {service} was scaled"),
        Outcome::pass_or_fail(changed.is_empty()),
    )
    .saw(seen, "no replica of another service came or went")
    .because(changed.into_iter().take(NAMED).collect())
}

/// How often scaling changed its direction.
pub(crate) fn turns(it: &Measurement) -> Check {
    let changes: Vec<_> = it.replicas.changes().collect();
    let grew = |at: usize| changes[at].decision.desired > changes[at].decision.before;
    let turns = (1..changes.len())
        .filter(|&at| grew(at) != grew(at - 1))
        .count();
    let told = changes
        .iter()
        .map(|it| format!("{:.1} s: {}", it.at, it.decision.change()));
    Check::new(
        Group::Audit,
        "replicas did not flap",
        Outcome::pass_or_fail(turns <= MAX_TURNS && !changes.is_empty()),
    )
    .saw(
        format!("{} changes, {turns} of direction", changes.len()),
        format!("some change, and at most {MAX_TURNS} of direction"),
    )
    .because(told.collect())
}

/// Whether replicas went after the load had fallen in `phase`, and none sooner than `window` seconds after the load had last
/// changed. A decision is made every `period` seconds and may have seen the load just before it changed.
pub(crate) fn no_haste(
    it: &Measurement,
    rise: &str,
    fall: &str,
    window: f64,
    period: f64,
) -> Check {
    let name = "replicas went when their window was over";
    let starts = [rise, fall].map(|name| Some(it.clients.phase(name)?.from.as_secs_f64()));
    let [Some(rise), Some(fall)] = starts else {
        return Check::new(Group::Audit, name, Outcome::Invalid).saw("no such phase", "phases");
    };
    let gone = it
        .replicas
        .changes()
        .filter(|it| it.decision.desired < it.decision.before);
    let times: Vec<_> = gone.map(|it| (it.at, it.decision.change())).collect();
    hasty(name, &times, [rise, fall], window, period)
}

fn hasty(
    name: &str,
    gone: &[(f64, String)],
    [rise, fall]: [f64; 2],
    window: f64,
    period: f64,
) -> Check {
    let waited = |at: f64| at - if at < fall { rise } else { fall };
    let hasty: Vec<_> = gone
        .iter()
        .filter(|it| waited(it.0) < window - period)
        .map(|(at, what)| format!("{what}: {:.1} s after the load had changed", waited(*at)))
        .collect();
    let first = gone.iter().find(|it| it.0 >= fall);
    let seen = match first {
        Some((at, _)) => format!("the first {:.1} s after the load had fallen", at - fall),
        None => "none went".to_owned(),
    };
    let holds = hasty.is_empty() && first.is_some();
    let why = if first.is_none() {
        vec!["replicas: all are still there".to_owned()]
    } else {
        hasty
    };
    Check::new(Group::Audit, name, Outcome::pass_or_fail(holds))
        .saw(seen, format!("some went, none within {window:.1} s"))
        .because(why)
}

/// Whether no request failed while replicas of `service` drained, and all of them did.
pub(crate) fn drained(it: &Measurement, service: Service, during: &str) -> Check {
    let name = "no request failed while replicas drained";
    let Some(at) = it.clients.phases.iter().position(|it| it.name == during) else {
        return Check::new(Group::Audit, name, Outcome::Invalid).saw("no such phase", "phases");
    };
    let failed: Vec<&Attempt> = it
        .clients
        .load
        .attempts
        .iter()
        .filter(|it| usize::from(it.phase) == at && it.error.is_some())
        .collect();
    let taken_away = || {
        it.replicas
            .of_service(service)
            .filter(|it| it.left.is_some())
    };
    let count = taken_away().count();
    let mut why: Vec<_> = failed
        .iter()
        .map(|it| format!("{}: {}", it.route, it.error.as_deref().unwrap_or_default()))
        .take(NAMED)
        .collect();
    let alive = taken_away().filter(|it| it.ended.is_none());
    why.extend(alive.map(|it| format!("{}: still running", it.instance)));
    why.extend(it.incidents.iter().cloned());
    let check = Check::new(
        Group::Audit,
        name,
        Outcome::pass_or_fail(why.is_empty() && count > 0),
    )
    .saw(
        format!("{} failed, {count} replicas drained", failed.len()),
        "none failed, and some drained by themselves",
    );
    check
        .naming(failed.iter().map(|it| it.id.as_str()))
        .because(why)
}

/// Whether each warm replica of `service` had its share of the requests, as far as there were enough to tell.
pub(crate) fn shares(it: &Measurement, service: Service) -> Check {
    let name = "warm replicas took their share";
    let told = it.evidence.get(&service).map(shares_of).unwrap_or_default();
    let asked: Vec<_> = told.iter().filter(|it| it.1 >= MIN_REQUESTS).collect();
    let unfair = |(took, fair): (f64, f64)| (took / fair - 1.0).abs();
    let worst = asked.iter().map(|it| unfair(**it)).fold(0.0, f64::max);
    let wrong = asked.iter().filter(|it| unfair(***it) > MAX_UNFAIR);
    let why =
        wrong.map(|(took, fair)| format!("a replica: {took:.0} requests, {fair:.0} are fair"));
    let verdict = match asked.len() {
        0 | 1 => Outcome::Invalid,
        _ => Outcome::pass_or_fail(worst <= MAX_UNFAIR),
    };
    Check::new(Group::Audit, name, verdict)
        .saw(
            format!(
                "{} of {} had enough requests, at most {:.0} % off",
                asked.len(),
                told.len(),
                100.0 * worst
            ),
            format!(
                "within {:.0} % of fair, from {MIN_REQUESTS} requests on",
                100.0 * MAX_UNFAIR
            ),
        )
        .because(why.collect())
}

/// What each replica took while it was warm, and what it would have taken if all that were warm at a time had taken the same.
fn shares_of(testimony: &Testimony) -> Vec<(f64, f64)> {
    let counts: Vec<Vec<(f64, f64)>> = testimony.scrapes.iter().map(|it| counts(it)).collect();
    let grid = counts.iter().flatten().map(|it| it.0);
    let (from, to) = grid.fold((f64::INFINITY, 0.0), |(from, to): (f64, f64), it| {
        (from.min(it), to.max(it))
    });
    let mut shares = vec![(0.0, 0.0); counts.len()];
    let mut at = from;
    while at + 1.0 <= to {
        let took: BTreeMap<usize, f64> = counts
            .iter()
            .enumerate()
            .filter(|(_, counts)| {
                let first = counts.first().map_or(f64::INFINITY, |it| it.0);
                // Those that were there when the load began are warm; the others were scraped soon after they were found.
                first <= from || first + WARM_AFTER <= at
            })
            .filter_map(|(index, counts)| {
                let grown = count_at(counts, at + 1.0)? - count_at(counts, at)?;
                Some((index, grown))
            })
            .collect();
        let fair = took.values().sum::<f64>() / to_f64(took.len().max(1) as u64);
        for (index, took) in took {
            shares[index].0 += took;
            shares[index].1 += fair;
        }
        at += 1.0;
    }
    shares
}

/// How many requests a replica had answered, with the seconds since 1970 when it said so.
fn counts(scrapes: &[Scrape]) -> Vec<(f64, f64)> {
    let name = format!("{}_count", names::HTTP_SERVER_REQUEST_DURATION);
    let since = |it: &Scrape| it.answered.duration_since(std::time::UNIX_EPOCH);
    let count = |it: &Scrape| Some((since(it).ok()?.as_secs_f64(), it.exposition.sum(&name)));
    scrapes.iter().filter_map(count).collect()
}

/// The count at a time between two scrapes, as if it had grown evenly; nothing before the first and after the last.
fn count_at(counts: &[(f64, f64)], at: f64) -> Option<f64> {
    let after = counts.partition_point(|it| it.0 < at);
    let (later, count) = *counts.get(after)?;
    if later <= at {
        return Some(count);
    }
    let (earlier, before) = *counts.get(after.checked_sub(1)?)?;
    Some(before + (count - before) * (at - earlier) / (later - earlier))
}

/// The seconds that replicas of `service` were there, starts and drains included, in each second of load.
pub(crate) fn cost(it: &Measurement, service: Service) -> f64 {
    let length = it.clients.length().as_secs_f64();
    let presences = it.replicas.of_service(service);
    let seconds: f64 = presences.map(|it| it.seconds_within(0.0, length)).sum();
    seconds / length.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests;
