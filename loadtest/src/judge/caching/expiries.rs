//! Loads by the expiry that each was for.

use std::collections::BTreeMap;

use super::{
    loads,
    loads::Load,
    phase::{began, pages},
    ratio,
    settings::Settings,
    staleness::{self, Changes},
};
use crate::{
    evidence::otlp::{nanos, since_1970},
    judge::validity,
    measurement::Measurement,
    statistics::to_f64,
    verdict::{Check, Group, Outcome},
};

/// With fewer of them nothing is shown.
const MIN_EXPIRIES: usize = 10;
/// A replica that is first seen so long after the load has begun was started under it.
const LATE_NS: u64 = 2_000_000_000;
/// It forgets everything once when it begins to hear of changes, which is as soon as it has started.
const BEGINS_NS: u64 = 1_000_000_000;
/// A change is heard of by every replica so long after it was made, at the latest.
const HEARD_NS: u64 = 1_000_000_000;
/// How many are named.
const NAMED: usize = 5;
const ONE: &str = "one load for each expiry";
const WAIT: &str = "readers do not wait for the origin";

/// Loads of one key by one process, none of which was needed after the first had ended.
type Expiry<'a> = Vec<Load<'a>>;

/// No process loads a key again before its value has expired, unless the product has changed.
pub(crate) fn each_is_one_load(it: &Measurement, settings: Settings) -> Vec<Check> {
    let (expiries, loads) = expiries(it, settings, &staleness::changes(it));
    let several: Vec<_> = expiries.iter().filter(|it| it.len() > 1).collect();
    let outcome = match several.len() {
        _ if expiries.len() < MIN_EXPIRIES => Outcome::Invalid,
        0 => Outcome::Pass,
        _ => Outcome::Fail,
    };
    let details = several.iter().take(NAMED).map(|it| tell(it)).collect();
    let mut check = Check::new(Group::Objective, ONE, outcome)
        .saw(
            seen(&expiries, loads),
            format!("1 for each of at least {MIN_EXPIRIES}"),
        )
        .because(details);
    let requests = several.iter().flat_map(|it| it.iter());
    let requests = requests.map(|it| it.request.to_owned());
    check.request_ids = requests.take(2 * NAMED).collect();
    vec![check]
}

/// Without coalescing there are as many loads as look-ups arrive while the first of them takes its time; half of that is a stampede
/// already, and anything between that and one shows nothing. What has changed is of no account: nobody heeds it.
pub(crate) fn each_is_a_stampede(it: &Measurement, settings: Settings, phase: &str) -> Vec<Check> {
    let (expiries, loads) = expiries(it, settings, &Changes::new());
    let rate = ratio::rate(it, phase) / f64::from(settings.replicas);
    let harm = rate * settings.origin.as_secs_f64() / 2.0;
    let mean = to_f64(loads as u64) / to_f64(expiries.len() as u64);
    let outcome = if expiries.len() < MIN_EXPIRIES {
        Outcome::Invalid
    } else if mean >= harm && harm > 1.0 {
        Outcome::Fail
    } else if loads == expiries.len() {
        Outcome::Pass
    } else {
        Outcome::Inconclusive
    };
    vec![Check::new(Group::Objective, ONE, outcome).saw(
        seen(&expiries, loads),
        format!(
            "1; {harm:.1} or more are a stampede: {rate:.0} look-ups a second at each replica, for half of the {} ms that a load takes",
            settings.origin.as_millis()
        ),
    )]
}

/// Of a hundred pages of `phase` at least 99 come before a load that began with them could have ended.
pub(crate) fn nobody_waits(it: &Measurement, settings: Settings, phase: &str) -> Vec<Check> {
    let from = it
        .clients
        .phase(phase)
        .map(|it| it.from)
        .unwrap_or_default();
    // The first readers find nothing, and have to wait.
    let from = (from + 2 * settings.origin).as_micros();
    let slowly = settings.origin.as_micros();
    let pages =
        pages(it, phase).filter(|it| u128::try_from(it.intended_us).is_ok_and(|it| it >= from));
    let pages: Vec<_> = pages.collect();
    let slow = pages
        .iter()
        .filter(|it| it.error.is_some() || u128::from(it.latency_us()) >= slowly);
    let slow = slow.count() as u64;
    let share = to_f64(slow) / to_f64(pages.len() as u64);
    let outcome = if pages.is_empty() {
        Outcome::Invalid
    } else if share <= 0.01 {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    let check = Check::new(Group::Objective, WAIT, outcome).saw(
        format!("{:.1} % of {} waited", 100.0 * share, pages.len()),
        format!("at most 1 % take {} ms", settings.origin.as_millis()),
    );
    vec![validity::unless_run_delayed(check, it)]
}

fn seen(expiries: &[Expiry<'_>], loads: usize) -> String {
    let most = expiries.iter().map(Vec::len).max().unwrap_or_default();
    format!(
        "{loads} loads in {} expiries, {most} at most in one",
        expiries.len()
    )
}

fn tell(expiry: &Expiry<'_>) -> String {
    let first = expiry[0];
    let times = expiry.iter().map(|it| it.start_ns - first.start_ns);
    let times: Vec<_> = times.map(|it| format!("{} ms", it / 1_000_000)).collect();
    format!(
        "catalog: {} at {}: {} loads, after {}",
        first.key,
        first.process,
        expiry.len(),
        times.join(", ")
    )
}

/// And how many loads they have together.
fn expiries<'a>(
    it: &'a Measurement,
    settings: Settings,
    changes: &Changes,
) -> (Vec<Expiry<'a>>, usize) {
    let (_, loads) = loads::of(&it.evidence);
    let loads = settled(loads, since_1970(began(it)));
    let expiries = sorted(&loads, changes, nanos(settings.shortest()));
    let loads = expiries.iter().map(Vec::len).sum();
    (expiries, loads)
}

/// Without what processes that were started under load have loaded at first; `began` is when that began.
fn settled(mut loads: Vec<Load<'_>>, began: u64) -> Vec<Load<'_>> {
    let mut first: BTreeMap<&str, u64> = BTreeMap::new();
    loads.retain(|it| {
        let first = *first.entry(it.process).or_insert(it.start_ns);
        first < began + LATE_NS || it.start_ns >= first + BEGINS_NS
    });
    loads
}

/// Loads, in order of time, by what each was for. A value is `fresh` for so long at least; `changes` are when its product changed.
fn sorted<'a>(loads: &[Load<'a>], changes: &Changes, fresh: u64) -> Vec<Expiry<'a>> {
    let mut by_key: BTreeMap<(&str, &str), Vec<Expiry<'_>>> = BTreeMap::new();
    for &load in loads {
        let expiries = by_key.entry((load.process, load.key)).or_default();
        let needless = |first: Load<'_>| {
            let between =
                |&(from, to): &(u64, u64)| from <= load.start_ns && to + HEARD_NS >= first.start_ns;
            let changed = changes
                .get(load.key)
                .is_some_and(|it| it.iter().any(between));
            load.start_ns < first.end_ns + fresh && !changed
        };
        match expiries.last_mut().filter(|it| needless(it[0])) {
            Some(expiry) => expiry.push(load),
            None => expiries.push(vec![load]),
        }
    }
    by_key.into_values().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn load(process: &'static str, start_ms: u64) -> Load<'static> {
        Load {
            process,
            key: "/products/p-000001",
            request: "",
            start_ns: start_ms * MS,
            end_ns: (start_ms + 200) * MS,
        }
    }

    fn sizes(loads: &[Load<'_>], changes: &[(u64, u64)]) -> Vec<usize> {
        let changes = changes.iter().map(|it| (it.0 * MS, it.1 * MS)).collect();
        let changes = Changes::from([("/products/p-000001".to_owned(), changes)]);
        let sorted = sorted(loads, &changes, 900 * MS);
        sorted.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_load_before_the_value_of_another_has_expired_is_of_the_same_expiry() {
        let loads = [0, 150, 1_099, 1_100, 2_300].map(|it| load("a", it));
        assert_eq!(sizes(&loads, &[]), [3, 1, 1]);
        // Each process has a memory of its own.
        assert_eq!(sizes(&[load("a", 0), load("b", 10)], &[]), [1, 1]);
    }

    #[test]
    fn what_has_changed_may_be_loaded_again() {
        let loads = [10_000, 10_500].map(|it| load("a", it));
        assert_eq!(sizes(&loads, &[(10_300, 10_400)]), [1, 1]);
        // The change was heard of late.
        assert_eq!(sizes(&loads, &[(9_000, 9_100)]), [1, 1]);
        assert_eq!(sizes(&loads, &[(8_000, 8_100), (10_600, 10_700)]), [2]);
    }

    #[test]
    fn what_a_process_forgets_when_it_starts_under_load_does_not_count() {
        let loads = [
            load("a", 100),
            load("a", 200),
            load("b", 3_000),
            load("b", 3_900),
        ];
        let settled = settled(loads.to_vec(), 0);
        assert_eq!(settled.len(), 2);
        assert!(settled.iter().all(|it| it.process == "a"));
    }
}
