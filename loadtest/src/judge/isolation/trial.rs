//! A trial, and what is looked at in it.

use crate::{
    deployment::Service,
    engine::Attempt,
    evidence::Evidence,
    judge::validity,
    measurement::{Measurement, PhaseTime},
    verdict::{Check, Group, Outcome},
};

/// A fault that is on for one phase of the load, which has its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    /// The phase.
    pub(crate) name: &'static str,
    /// Who does not do what it should; none for a fault without effect.
    pub(crate) faulty: Option<Service>,
    /// Routes that cannot do without it: they fail, and fast once the breaker is open.
    pub(crate) fail: &'static [&'static str],
    /// Routes that cannot do without it either, but ask a service that asks it: that has a breaker of its own, which opens when as
    /// many calls have failed there.
    pub(crate) behind: &'static [&'static str],
    /// Routes that can do with less: they succeed, and fast once the breaker is open.
    pub(crate) degrade: &'static [&'static str],
    /// What acts at the gateway meanwhile, and is looked at.
    pub(crate) acts: &'static [Protection],
}

impl Trial {
    /// Whether the gateway calls who is at fault, and so has a breaker that opens.
    pub(super) fn opens(&self) -> bool {
        self.acts.contains(&Protection::Breaker)
    }

    /// Whether this route cannot do without it.
    pub(super) fn fails(&self, route: &str) -> bool {
        self.fail.contains(&route) || self.behind.contains(&route)
    }
}

/// What protects a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// The circuit breaker opens.
    Breaker,
    /// More calls wait than there is room for.
    Bulkhead,
    /// The answers are such that trying again may help.
    Retries,
    /// Only one of several replicas is at fault, so that it is left out and the breaker stays closed.
    Ejection,
}

/// What of a measurement is looked at.
pub(super) struct Seen<'a> {
    pub(super) phases: &'a [PhaseTime],
    pub(super) attempts: &'a [Attempt],
    pub(super) evidence: &'a Evidence,
    /// Why latencies say nothing of the shop, if they do not.
    pub(super) late: Option<&'static str>,
}

impl<'a> From<&'a Measurement> for Seen<'a> {
    fn from(it: &'a Measurement) -> Self {
        Self {
            phases: &it.clients.phases,
            attempts: &it.clients.load.attempts,
            evidence: &it.evidence,
            late: validity::delayed(&it.clients.recording, it.clients.stolen),
        }
    }
}

pub(super) fn held(trial: &Trial, what: &str, holds: bool) -> Check {
    let name = format!("{}: {what}", trial.name);
    if holds {
        return Check::new(Group::Objective, name, Outcome::Pass);
    }
    let faulty = trial.faulty.map_or("nobody", Service::name);
    let who = format!("gateway: calls to {faulty}");
    Check::new(Group::Objective, name, Outcome::Fail).because(vec![who])
}
