//! What experiments that kill something have in common.

use std::time::Duration;

use serde::Serialize;

use crate::{
    measurement::Measurement,
    statistics::to_f64,
    verdict::{Check, Group, Outcome},
};

use super::{
    audit::{self, Promise},
    validity,
};

/// With fewer orders, hardly any would be under way when something is killed.
const MIN_ORDERS_A_MINUTE: f64 = 50.0;

/// Something that was killed.
pub(crate) struct Killed {
    pub(crate) victim: String,
    /// Since the load began.
    pub(crate) at: Duration,
    /// Until a server took requests again, if it was one; services are asked for less.
    pub(crate) answered_after: Option<Duration>,
    /// Until everything was ready again, if it was.
    pub(crate) ready_after: Option<Duration>,
    /// Services that said meanwhile that they were not ready.
    pub(crate) unready: Vec<String>,
}

/// A service or server that was killed, and the orders that were acknowledged between this kill and the next.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Kill {
    pub(crate) victim: String,
    /// Seconds since the load began.
    pub(crate) at_s: f64,
    /// Seconds from the kill until a server took requests again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answered_after_s: Option<f64>,
    /// Seconds from the kill until everything was ready again, if it was.
    pub(crate) ready_after_s: Option<f64>,
    /// Services that said meanwhile that they were not ready.
    pub(crate) unready: Vec<String>,
    pub(crate) acknowledged: usize,
    /// Of which so many reached a final state.
    pub(crate) ended: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
}

/// How late requests were sent is not asked: what is promised here does not depend on time.
pub(crate) fn checks(it: &Measurement, promises: &[Promise], killed: &[Killed]) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(how) = &it.load.counts {
        checks.push(validity::ended_early(how));
    }
    checks.push(orders_kept_coming(it, promises));
    checks.push(all_came_back(killed));
    checks.push(load_went_on(it, killed));
    checks.push(validity::rest(it));
    checks.extend(audit::checks(promises, &it.ledgers));
    checks
}

fn orders_kept_coming(it: &Measurement, promises: &[Promise]) -> Check {
    let minutes = it.plan.length().as_secs_f64() / 60.0;
    let rate = to_f64(promises.len() as u64) / minutes;
    let outcome = if rate >= MIN_ORDERS_A_MINUTE {
        Outcome::Pass
    } else {
        Outcome::Invalid
    };
    Check::new(Group::Validity, "orders kept coming", outcome).saw(
        format!("{rate:.0} acknowledged a minute"),
        format!("at least {MIN_ORDERS_A_MINUTE} a minute"),
    )
}

fn all_came_back(killed: &[Killed]) -> Check {
    let away = killed.iter().filter(|it| it.ready_after.is_none());
    let away: Vec<_> = away.map(|it| it.victim.clone()).collect();
    let slowest = killed.iter().filter_map(|it| it.ready_after).max();
    let (outcome, observed) = match slowest {
        Some(slowest) if away.is_empty() => (
            Outcome::Pass,
            format!(
                "{} kills, all ready at most {:.2} s later",
                killed.len(),
                slowest.as_secs_f64()
            ),
        ),
        _ => (Outcome::Fail, format!("{} stayed away", away.join(", "))),
    };
    Check::new(Group::Audit, "everything came back", outcome)
        .saw(observed, "all that was killed is ready again")
}

/// A kill that nobody felt, because the load was over before all was ready again, proves nothing.
fn load_went_on(it: &Measurement, killed: &[Killed]) -> Check {
    let length = it.plan.length();
    let late = |it: &&Killed| it.ready_after.is_some_and(|after| it.at + after > length);
    let late: Vec<_> = killed.iter().filter(late).map(|it| &it.victim).collect();
    let outcome = if late.is_empty() {
        Outcome::Pass
    } else {
        Outcome::Invalid
    };
    Check::new(
        Group::Validity,
        "the load went on through every kill",
        outcome,
    )
    .saw(
        format!("{} of {} ended after it", late.len(), killed.len()),
        "all is ready again before the load ends",
    )
}

/// What became of the orders that were acknowledged between each kill and the next.
pub(crate) fn table(killed: &[Killed], it: &Measurement, promises: &[Promise]) -> Vec<Kill> {
    let lost = audit::lost(promises, &it.ledgers);
    let doubled = audit::doubled(&it.ledgers);
    let micros = |at: Duration| i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    let row = |index: usize| {
        let kill = &killed[index];
        let next = killed.get(index + 1).map_or(i64::MAX, |it| micros(it.at));
        let within = |it: &&Promise| (micros(kill.at)..next).contains(&it.acknowledged_us);
        let meanwhile: Vec<_> = promises.iter().filter(within).collect();
        let named = |wrong: &[String]| {
            let is_named = |it: &&&Promise| wrong.iter().any(|text| text.contains(&it.order_id));
            meanwhile.iter().filter(is_named).count()
        };
        let lost = named(&lost);
        Kill {
            victim: kill.victim.clone(),
            at_s: kill.at.as_secs_f64(),
            answered_after_s: kill.answered_after.map(|it| it.as_secs_f64()),
            ready_after_s: kill.ready_after.map(|it| it.as_secs_f64()),
            unready: kill.unready.clone(),
            acknowledged: meanwhile.len(),
            ended: meanwhile.len() - lost,
            lost,
            doubled: named(&doubled),
        }
    };
    (0..killed.len()).map(row).collect()
}
