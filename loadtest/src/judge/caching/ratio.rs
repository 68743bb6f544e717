//! Look-ups against theory.

use std::{collections::BTreeMap, ops::Range, time::SystemTime};

use telemetry::names::CACHE_REQUESTS;

use super::{
    loads,
    phase::{pages, window},
    settings::Settings,
    theory,
};
use crate::{
    deployment::Service,
    evidence::{Scrape, otlp::since_1970},
    measurement::Measurement,
    statistics::to_f64,
    verdict::{Check, Group, Outcome},
};

/// How far a share may be from theory.
const MARGIN: f64 = 0.02;
/// And where that is more, this over the root of the number of look-ups: three and a half standard deviations of simulated ones.
const MARGIN_OF_FEW: f64 = 1.05;
/// Fewer look-ups tell nothing.
const MIN_LOOK_UPS: f64 = 1_000.0;

/// Hits and stale values as the cache counts them, and loads as spans show them, during `phase`.
pub(crate) fn as_in_theory(it: &Measurement, settings: Settings, phase: &str) -> Vec<Check> {
    let Some(window) = window(it, phase) else {
        return Vec::new();
    };
    let weights = theory::popularity(settings.products);
    let rate = rate(it, phase) / f64::from(settings.replicas);
    let theory = theory::shares(&weights, rate, settings.ttl, settings.stale);
    let counted = counted(it, &window);
    let look_ups: f64 = counted.values().sum();
    let of = |result: &str| counted.get(result).copied().unwrap_or(0.0) / look_ups;
    let (reads, loads) = loads::of(&it.evidence);
    let within = since_1970(window.start)..since_1970(window.end);
    let read = to_f64(count(reads.iter().map(|it| it.at_ns), &within));
    let loaded = to_f64(count(loads.iter().map(|it| it.start_ns), &within));
    vec![
        share(
            "hits are as many as in theory",
            of("hit"),
            look_ups,
            theory.hits,
        ),
        share(
            "stale values are as many as in theory",
            of("stale"),
            look_ups,
            theory.stale,
        ),
        share(
            "loads at the origin are as many as in theory",
            loaded / read,
            read,
            theory.stale + theory.misses,
        ),
    ]
}

/// Requests for products in a second of `phase`, as they arrived.
pub(super) fn rate(it: &Measurement, phase: &str) -> f64 {
    let length = it
        .clients
        .phase(phase)
        .map(|it| it.to.saturating_sub(it.from));
    let length = length.unwrap_or_default().as_secs_f64();
    to_f64(pages(it, phase).count() as u64) / length
}

fn count(times: impl Iterator<Item = u64>, within: &Range<u64>) -> u64 {
    times.filter(|it| within.contains(it)).count() as u64
}

/// How often look-ups had each result, between the first and the last scrape within `window`.
fn counted(it: &Measurement, window: &Range<SystemTime>) -> BTreeMap<String, f64> {
    let mut counted = BTreeMap::new();
    let scrapes = it.evidence.get(&Service::Catalog).map(|it| &it.scrapes);
    for scrapes in scrapes.into_iter().flatten() {
        let within = |it: &&Scrape| window.contains(&it.asked) && window.contains(&it.answered);
        let mut within = scrapes.iter().filter(within);
        let (Some(first), Some(last)) = (within.next(), within.next_back()) else {
            continue;
        };
        for (labels, value) in last.exposition.series(CACHE_REQUESTS) {
            let grown = value - first.exposition.value(CACHE_REQUESTS, labels);
            let result = labels.get("result").cloned().unwrap_or_default();
            *counted.entry(result).or_insert(0.0) += grown;
        }
    }
    counted
}

fn share(name: &str, seen: f64, of: f64, expected: f64) -> Check {
    let margin = MARGIN.max(MARGIN_OF_FEW / of.sqrt());
    let outcome = if !seen.is_finite() || of < MIN_LOOK_UPS {
        Outcome::Invalid
    } else if (seen - expected).abs() <= margin {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    let percent = |it: f64| format!("{:.1} %", 100.0 * it);
    let check = Check::new(Group::Objective, name, outcome).saw(
        format!("{} of {of:.0} look-ups", percent(seen)),
        format!(
            "{}, give or take {:.1} points",
            percent(expected),
            100.0 * margin
        ),
    );
    match outcome {
        Outcome::Fail => check.because(vec![format!(
            "catalog: {name}: {} were seen, {} expected",
            percent(seen),
            percent(expected)
        )]),
        _ => check,
    }
}
