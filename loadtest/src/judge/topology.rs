//! What it makes for the shop whether its services are processes or parts of one.
//!
//! A route dies of what is done to one service when a tenth of its requests fail meanwhile, and no fewer than three; what noise does to a
//! route is far below that. Hops are counted from the spans of calls: one that went over a connection says to which address.

mod blast;
mod footprint;
mod hops;
mod phases;
mod table;

use self::{
    blast::{Fates, dies},
    hops::Hops,
    phases::OWN,
};
use crate::{
    measurement::Measurement,
    verdict::{Check, Group, Outcome},
};

pub(crate) use self::{
    phases::{BURNS, CALM, KILLED, LEAKS, NEXT, REPLACED, SCALED, STEADY},
    table::{compared, routes},
};

/// What an arm must show that is one process, and one that is seven must not.
pub(crate) const NO_NETWORK: &str = "calls between services cross no network";
/// What holds as services, and must not in one process.
pub(crate) const KILL_CONTAINED: &str = "killing search kills no other route";
/// The same of a leak.
pub(crate) const LEAK_CONTAINED: &str = "a leak in search kills no other route";

/// How many calls of requests that were answered well went over a connection.
pub(crate) fn inside(it: &Measurement) -> Vec<Check> {
    let all = hops::by_route(it);
    let sum = |of: fn(&Hops) -> usize| all.values().map(of).sum::<usize>();
    let (calls, remote) = (sum(|it| it.calls), sum(|it| it.remote));
    let outcome = match calls {
        0 => Outcome::Invalid,
        _ => Outcome::pass_or_fail(remote == 0),
    };
    let seen = format!("{remote} of {calls} calls went over a connection");
    vec![Check::new(Group::Objective, NO_NETWORK, outcome).saw(seen, "none did")]
}

/// Which routes died of what was done to search, and whether it was felt at all.
pub(crate) fn blast(it: &Measurement) -> Vec<Check> {
    let mut checks = Vec::new();
    for (phase, name) in [(KILLED, KILL_CONTAINED), (LEAKS, LEAK_CONTAINED)] {
        let fates = blast::in_phase(it, phase);
        checks.push(felt(phase, &fates));
        checks.push(contained(name, &fates));
    }
    checks
}

fn felt(phase: &str, fates: &Fates) -> Check {
    let own = fates.get(OWN).copied().unwrap_or_default();
    let outcome = Outcome::pass_or_invalid(dies(own));
    Check::new(Group::Validity, format!("{phase}: {OWN} notices"), outcome).saw(
        format!("{} of {} failed", own.failed, own.requests),
        "a tenth, and at least 3",
    )
}

fn contained(name: &str, fates: &Fates) -> Check {
    let others = fates.iter().filter(|it| it.0 != OWN);
    let dead: Vec<_> = others.clone().filter(|it| dies(*it.1)).collect();
    let outcome = match others.count() {
        0 => Outcome::Invalid,
        _ => Outcome::pass_or_fail(dead.is_empty()),
    };
    let told = |(route, fate): &(&String, &blast::Fate)| {
        format!("{route}: {} of {} failed", fate.failed, fate.requests)
    };
    let seen = match &dead[..] {
        [] => "no other route died".to_owned(),
        dead => format!("{} other routes died", dead.len()),
    };
    Check::new(Group::Objective, name, outcome)
        .saw(seen, "no other route dies")
        .because(dead.iter().map(told).collect())
}

/// Whether a new version comes without a failed request.
pub(crate) fn replaced(it: &Measurement) -> Vec<Check> {
    let fates = blast::in_phase(it, REPLACED);
    let failed: u64 = fates.values().map(|it| it.failed).sum();
    let requests: u64 = fates.values().map(|it| it.requests).sum();
    let came = footprint::deploy(it).is_some();
    let outcome = match (came, requests) {
        (false, _) | (_, 0) => Outcome::Invalid,
        _ => Outcome::pass_or_fail(failed == 0),
    };
    vec![
        Check::new(Group::Objective, "a new version fails no request", outcome)
            .saw(format!("{failed} of {requests} failed"), "none"),
    ]
}

/// Whether both do the same for each request: what differs is the way, not the work.
pub(crate) fn same_work(arms: &[Measurement]) -> Vec<Check> {
    let [services, monolith, ..] = arms else {
        return Vec::new();
    };
    let [services, monolith] = [services, monolith].map(hops::by_route);
    let mut differ = Vec::new();
    for (route, here) in &services {
        let there = monolith.get(route).map_or(0.0, Hops::calls_each);
        if (here.calls_each() - there).abs() > hops::ROUNDING {
            let here = here.calls_each();
            differ.push(format!(
                "{route}: {here:.2} as services, {there:.2} in one process"
            ));
        }
    }
    let outcome = match services.len() {
        0 => Outcome::Invalid,
        _ => Outcome::pass_or_fail(differ.is_empty()),
    };
    let name = "a request makes as many calls in one process as between services";
    let seen = format!("{} of {} routes differ", differ.len(), services.len());
    vec![
        Check::new(Group::Comparison, name, outcome)
            .saw(seen, "none")
            .because(differ),
    ]
}

#[cfg(test)]
mod tests;
