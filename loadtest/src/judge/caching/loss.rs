//! What becomes of hits and pages when a cache is lost.

use std::ops::Range;

use super::{
    loads,
    loads::Read,
    phase::{began, pages, window},
    settings::Settings,
};
use crate::{
    engine::Attempt,
    evidence::otlp::{nanos, since_1970},
    judge::validity,
    measurement::{Measurement, Outage},
    statistics::to_f64,
    table::{Cell, Table},
    verdict::{Check, Group, Outcome},
};

/// What shoppers are promised of pages, which says how fast they come.
const PROMISE: &str = "browse-pages-latency";
/// The largest share of pages that may fail or be slow.
const MAX_BAD: f64 = 0.01;
/// The least of the hits there were before that there must be again.
const BACK: f64 = 0.9;
/// Fewer look-ups tell nothing.
const MIN_READS: u64 = 200;

/// Pages came, and fast, in all of `phase`.
pub(crate) fn pages_stayed_good(it: &Measurement, phase: &str) -> Vec<Check> {
    let pages: Vec<_> = pages(it, phase).collect();
    let promise = slo::shop().iter().find(|it| it.name == PROMISE);
    let fast = promise
        .and_then(|it| it.indicator.limit())
        .unwrap_or_default();
    let failed = |it: &&&Attempt| it.error.is_some();
    let slow = |it: &&&Attempt| u128::from(it.latency_us()) > fast.as_micros();
    let share = |count: usize| to_f64(count as u64) / to_f64(pages.len() as u64);
    let failed_share = share(pages.iter().filter(failed).count());
    let bad = share(pages.iter().filter(|it| failed(it) || slow(it)).count());
    let outcome = if pages.is_empty() {
        Outcome::Invalid
    } else if bad <= MAX_BAD {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    let check = Check::new(Group::Objective, "product pages stay good", outcome).saw(
        format!("{:.2} % of {}", 100.0 * (1.0 - bad), pages.len()),
        format!("99 % succeed within {} ms", fast.as_millis()),
    );
    // What failed did not fail because the machine was late.
    if failed_share > MAX_BAD {
        return vec![check];
    }
    vec![validity::unless_run_delayed(check, it)]
}

/// Look-ups and hits of a stretch of time.
#[derive(Debug, Clone, Copy)]
struct Found {
    reads: u64,
    loads: u64,
}

impl Found {
    fn of(reads: &[Read], within: &Range<u64>) -> Self {
        let reads = || reads.iter().filter(|it| within.contains(&it.at_ns));
        Self {
            reads: reads().count() as u64,
            loads: reads().filter(|it| it.loaded).count() as u64,
        }
    }

    fn hits(self) -> f64 {
        1.0 - to_f64(self.loads) / to_f64(self.reads)
    }
}

/// Before a loss, from then until the time that hits have to come back, and after that until the next loss or the end of `phase`.
fn around(
    it: &Measurement,
    settings: Settings,
    before: &str,
    phase: &str,
) -> Vec<(String, [Found; 3])> {
    let (Some(before), Some(phase)) = (window(it, before), window(it, phase)) else {
        return Vec::new();
    };
    let (reads, _) = loads::of(&it.evidence);
    let outages = it.outages();
    let origin = since_1970(began(it));
    let row = |index: usize| {
        let outage: &Outage = outages[index];
        let lost = origin + nanos(outage.at);
        let again = lost + nanos(outage.away.max(outage.ready_after.unwrap_or_default()));
        let back = again + nanos(settings.ttl);
        let next = outages.get(index + 1);
        let end = next.map_or(since_1970(phase.end), |it| origin + nanos(it.at));
        let found = [
            since_1970(before.start)..since_1970(before.end),
            lost..back,
            back..end,
        ];
        let found = found.map(|it| Found::of(&reads, &it));
        (outage.victim.clone(), found)
    };
    (0..outages.len()).map(row).collect()
}

/// A TTL after whatever was lost is there again, hits are nearly as many as before.
pub(crate) fn came_back(
    it: &Measurement,
    settings: Settings,
    before: &str,
    phase: &str,
) -> Vec<Check> {
    let losses = around(it, settings, before, phase);
    let few = losses
        .iter()
        .any(|(_, it)| it[0].reads < MIN_READS || it[2].reads < MIN_READS);
    let low = losses
        .iter()
        .filter(|(_, it)| it[2].hits() < BACK * it[0].hits());
    let low: Vec<_> = low
        .map(|(victim, it)| {
            let [before, _, after] = it.map(|it| 100.0 * it.hits());
            format!("catalog: {victim}: {before:.1} % hits before it was lost, {after:.1} % a TTL after it came back")
        })
        .collect();
    let outcome = if losses.is_empty() || few {
        Outcome::Invalid
    } else if low.is_empty() {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    let name = "hits come back within a TTL";
    let check = Check::new(Group::Objective, name, outcome).saw(
        format!(
            "{} losses, {} with fewer hits after",
            losses.len(),
            low.len()
        ),
        format!("at least {:.0} % of what they were", 100.0 * BACK),
    );
    vec![check.because(low)]
}

/// Hits and loads around each loss.
pub(crate) fn table(it: &Measurement, settings: Settings, before: &str, phase: &str) -> Table {
    let percent = |it: Found| Cell::Text(format!("{:.1} %", 100.0 * it.hits()));
    let count = |it: u64| Cell::Count(usize::try_from(it).unwrap_or(usize::MAX));
    let row = |(victim, [before, meanwhile, after]): (String, [Found; 3])| {
        vec![
            Cell::Text(victim),
            percent(before),
            percent(meanwhile),
            count(meanwhile.reads),
            count(meanwhile.loads),
            percent(after),
        ]
    };
    let losses = around(it, settings, before, phase);
    Table {
        title: "Caches that were lost: look-ups without a load before, until a TTL after they were there again, and from then on",
        columns: &[
            "lost",
            "before",
            "meanwhile",
            "look-ups meanwhile",
            "loads meanwhile",
            "after",
        ],
        rows: losses.into_iter().map(row).collect(),
    }
}
