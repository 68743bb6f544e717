//! What experiments that kill something have in common.

use std::{collections::BTreeSet, time::Duration};

use super::audit::{self, Promise, Wrong};
use crate::{
    measurement::{Measurement, Outage},
    statistics::to_f64,
    table::{Cell, Table},
    verdict::{Check, Group, Outcome},
};

/// With fewer orders, hardly any would be under way when something is killed.
const MIN_ORDERS_A_MINUTE: f64 = 50.0;

/// How late requests were sent is not asked: what is promised here does not depend on time.
pub(crate) fn checks(it: &Measurement) -> Vec<Check> {
    let mut checks = vec![orders_kept_coming(it)];
    checks.extend(recovery(it));
    checks
}

/// Whatever was killed was ready again, under load.
pub(crate) fn recovery(it: &Measurement) -> Vec<Check> {
    vec![all_came_back(it), load_went_on(it)]
}

fn orders_kept_coming(it: &Measurement) -> Check {
    let promises = audit::promises(&it.clients.load.attempts);
    let minutes = it.clients.length().as_secs_f64() / 60.0;
    let rate = to_f64(promises.len() as u64) / minutes;
    let outcome = Outcome::pass_or_invalid(rate >= MIN_ORDERS_A_MINUTE);
    Check::new(Group::Validity, "orders were placed throughout", outcome).saw(
        format!("{rate:.0} acknowledged per minute"),
        format!("at least {MIN_ORDERS_A_MINUTE} per minute"),
    )
}

fn all_came_back(it: &Measurement) -> Check {
    let killed = it.outages();
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
        _ => (
            Outcome::Fail,
            format!("not ready again: {}", away.join(", ")),
        ),
    };
    Check::new(Group::Audit, "all services recovered", outcome)
        .saw(observed, "all that was killed is ready again")
}

/// A kill that nobody felt, because the load was over before all was ready again, proves nothing.
fn load_went_on(it: &Measurement) -> Check {
    let killed = it.outages();
    let length = it.clients.length();
    let late = |it: &&&Outage| it.ready_after.is_some_and(|after| it.at + after > length);
    let late: Vec<_> = killed.iter().filter(late).map(|it| &it.victim).collect();
    let outcome = Outcome::pass_or_invalid(late.is_empty());
    Check::new(
        Group::Validity,
        "load lasted beyond every recovery",
        outcome,
    )
    .saw(
        format!(
            "{} of {} recovered after it ended",
            late.len(),
            killed.len()
        ),
        "all is ready again before the load ends",
    )
}

/// What was killed, and what became of the orders that were acknowledged between each kill and the next.
pub(crate) fn table(it: &Measurement) -> Table {
    let promises = audit::promises(&it.clients.load.attempts);
    let lost = audit::lost(&promises, &it.ledgers);
    let doubled = audit::doubled(&it.ledgers);
    let killed = it.outages();
    let micros = |at: Duration| i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    let seconds = |it: Option<Duration>| Cell::Seconds(it.map(|it| it.as_secs_f64()));
    let row = |index: usize| {
        let kill = killed[index];
        let next = killed.get(index + 1).map_or(i64::MAX, |it| micros(it.at));
        let within = |it: &&Promise| (micros(kill.at)..next).contains(&it.acknowledged_us);
        let meanwhile: Vec<_> = promises.iter().filter(within).collect();
        let among = |wrong: &[Wrong]| {
            let named: BTreeSet<_> = wrong.iter().flat_map(|it| &it.orders).collect();
            let is_named = |it: &&&Promise| named.contains(&it.order_id);
            meanwhile.iter().filter(is_named).count()
        };
        let lost = among(&lost);
        let unready: BTreeSet<_> = kill.unready.iter().map(|it| it.0.name()).collect();
        let unready: Vec<_> = unready.into_iter().collect();
        vec![
            Cell::Text(kill.victim.clone()),
            seconds(Some(kill.at)),
            seconds(kill.answered_after),
            seconds(kill.ready_after),
            Cell::Count(meanwhile.len()),
            Cell::Count(meanwhile.len() - lost),
            Cell::Count(lost),
            Cell::Count(among(&doubled)),
            Cell::Text(unready.join(", ")),
        ]
    };
    Table {
        title: "Kills, and the orders acknowledged until the next kill",
        columns: &COLUMNS,
        rows: (0..killed.len()).map(row).collect(),
    }
}

const COLUMNS: [&str; 9] = [
    "killed",
    "at",
    "answered after",
    "ready after",
    "acknowledged",
    "final",
    "lost",
    "doubled",
    "not ready meanwhile",
];
