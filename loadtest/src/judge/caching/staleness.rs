//! How old what readers got was: by the versions that they and whoever changed them saw, on the clock of the clients.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{
    phase::{self, PAGE},
    settings::Settings,
};
use crate::{
    engine::Attempt,
    evidence::otlp::{nanos, since_1970},
    measurement::Measurement,
    statistics::to_f64,
    verdict::{Check, Group, Outcome},
};

/// The route by which products change.
const CHANGE: &str = "PATCH /products/{id}";
/// With fewer changes that somebody read after, nothing is shown.
const MIN_CHANGES: usize = 5;
/// What the clocks of two requests may add.
const SLACK: Duration = Duration::from_millis(50);
/// Whoever reads a product so long after it has changed gets it as it is, nearly always.
const SOON: Duration = Duration::from_millis(500);

/// When each product was changed, from the request to its answer, in nanoseconds since 1970, by its path.
pub(super) type Changes = HashMap<String, Vec<(u64, u64)>>;

pub(super) fn changes(it: &Measurement) -> Changes {
    let began = since_1970(phase::began(it));
    let at = |us: i64| began + nanos(Duration::from_micros(u64::try_from(us).unwrap_or(0)));
    let mut changes = Changes::new();
    for attempt in it
        .clients
        .load
        .attempts
        .iter()
        .filter(|it| it.route == CHANGE)
    {
        if let Some(product) = &attempt.product {
            let path = format!("/products/{}", product.id);
            let times = (at(attempt.sent_us), at(attempt.done_us));
            changes.entry(path).or_default().push(times);
        }
    }
    changes
}

/// What was seen of a change.
#[derive(Debug, Clone, PartialEq)]
struct Seen<'a> {
    product: &'a str,
    /// The first version that no longer was what was served last.
    version: i64,
    /// The longest time after its answer at which a reader asked who got an older one; 0 if there was none.
    late: Duration,
    /// That reader's request.
    request: &'a str,
}

/// Every change after which somebody read the product.
fn seen(attempts: &[Attempt]) -> Vec<Seen<'_>> {
    // When each version was told, by product.
    let mut told: BTreeMap<&str, BTreeMap<i64, i64>> = BTreeMap::new();
    for attempt in attempts.iter().filter(|it| it.route == CHANGE) {
        if let Some(it) = &attempt.product {
            let versions = told.entry(&it.id).or_default();
            versions.insert(it.version, attempt.done_us);
        }
    }
    let mut seen: BTreeMap<(&str, i64), Seen<'_>> = BTreeMap::new();
    for attempt in attempts.iter().filter(|it| it.route == PAGE) {
        let Some(product) = &attempt.product else {
            continue;
        };
        let Some(versions) = told.get(product.id.as_str()) else {
            continue;
        };
        for (&version, &done_us) in versions {
            let Ok(after) = u64::try_from(attempt.sent_us - done_us) else {
                continue;
            };
            let change = seen.entry((&product.id, version)).or_insert(Seen {
                product: &product.id,
                version,
                late: Duration::ZERO,
                request: "",
            });
            let late = Duration::from_micros(after);
            if product.version < version && late > change.late {
                change.late = late;
                change.request = &attempt.id;
            }
        }
    }
    seen.into_values().collect()
}

/// No reader got a product that had been changed longer ago than it may be served.
pub(crate) fn within_its_life(it: &Measurement, settings: Settings) -> Vec<Check> {
    let life = settings.ttl + settings.stale;
    let seen = seen(&it.clients.load.attempts);
    let late: Vec<_> = seen.iter().filter(|it| it.late > life + SLACK).collect();
    let outcome = outcome(&seen, late.is_empty());
    let oldest = seen.iter().map(|it| it.late).max().unwrap_or_default();
    let name = "nothing served is older than it may be";
    let check = Check::new(Group::Objective, name, outcome).saw(
        format!(
            "{} changes, {} ms old at most",
            seen.len(),
            oldest.as_millis()
        ),
        format!("at most {} ms", life.as_millis()),
    );
    vec![named(check, &late)]
}

/// Nearly every change is seen by everybody at once.
pub(crate) fn soon_seen(it: &Measurement) -> Vec<Check> {
    let seen = seen(&it.clients.load.attempts);
    let late: Vec<_> = seen.iter().filter(|it| it.late > SOON).collect();
    let share = to_f64(late.len() as u64) / to_f64(seen.len() as u64);
    let outcome = outcome(&seen, share <= 0.05);
    let check = Check::new(Group::Objective, "changes are seen at once", outcome).saw(
        format!("{} of {} were seen later", late.len(), seen.len()),
        format!("19 of 20 by everybody within {} ms", SOON.as_millis()),
    );
    let late = if outcome == Outcome::Fail {
        &late[..]
    } else {
        &[]
    };
    vec![named(check, late)]
}

fn outcome(seen: &[Seen<'_>], holds: bool) -> Outcome {
    if seen.len() < MIN_CHANGES {
        Outcome::Invalid
    } else if holds {
        Outcome::Pass
    } else {
        Outcome::Fail
    }
}

fn named(mut check: Check, late: &[&Seen<'_>]) -> Check {
    for it in late.iter().take(5) {
        let Seen {
            product, version, ..
        } = it;
        let millis = it.late.as_millis();
        check.details.push(format!(
            "catalog: {product}: older than version {version} still {millis} ms after that was told, request {}",
            it.request
        ));
        check.request_ids.push(it.request.to_owned());
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ProductSeen;

    fn attempt(route: &str, version: i64, sent_ms: i64, done_ms: i64) -> Attempt {
        Attempt {
            id: format!("r-{sent_ms}"),
            phase: 0,
            route: route.into(),
            intended_us: sent_ms * 1000,
            sent_us: sent_ms * 1000,
            done_us: done_ms * 1000,
            status: Some(200),
            error: None,
            order: None,
            product: Some(ProductSeen {
                id: "p-000001".into(),
                version,
            }),
        }
    }

    #[test]
    fn a_reader_is_late_by_the_first_change_that_it_did_not_see() {
        let attempts = [
            attempt(PAGE, 1, 0, 1),
            attempt(CHANGE, 2, 10, 20),
            // It was asked before the change was told.
            attempt(PAGE, 1, 15, 30),
            attempt(PAGE, 1, 50, 51),
            attempt(CHANGE, 3, 60, 70),
            attempt(PAGE, 1, 80, 81),
            attempt(PAGE, 2, 90, 91),
            attempt(PAGE, 3, 100, 101),
        ];
        let late: Vec<_> = seen(&attempts)
            .into_iter()
            .map(|it| (it.version, it.late.as_millis(), it.request))
            .collect();
        assert_eq!(late, [(2, 60, "r-80"), (3, 20, "r-90")]);
    }
}
