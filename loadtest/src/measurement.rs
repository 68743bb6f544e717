//! What a stretch of load showed: the facts that checks are made of.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    deployment::{Server, Service},
    engine::{parent::Load, plan::Phase},
    evidence::{Evidence, ledgers::Ledgers},
    recording::Recording,
    statistics::Confidence,
};

/// What the clients of one arm saw, up to some look at it.
pub(crate) struct ClientView {
    /// Goose users.
    pub(crate) users: usize,
    /// What was planned, and then once more for each further look.
    pub(crate) phases: Vec<PhaseTime>,
    /// The index of the phase that is judged, if one is.
    pub(crate) measured: Option<u16>,
    /// Every attempt, and what the engine counted.
    pub(crate) load: Load,
    pub(crate) recording: Recording,
    /// The share of processor time that other machines took meanwhile, from 0 to 1, where the kernel tells.
    pub(crate) stolen: Option<f64>,
    /// The share in which its own processors had work, where the kernel tells.
    pub(crate) busy: Option<f64>,
    /// How often it was looked at, this look included.
    pub(crate) looks: u32,
    /// The confidence of the intervals of this look.
    pub(crate) confidence: Confidence,
}

/// When a phase was. Where load went on after a look, the time in between is left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PhaseTime {
    pub(crate) name: String,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl PhaseTime {
    /// Those of a plan that begins at `origin`; phases of no length are left out.
    pub(crate) fn of(phases: &[Phase], origin: Duration) -> Vec<Self> {
        let mut from = origin;
        let mut times = Vec::new();
        for phase in phases.iter().filter(|it| it.seconds > 0.0) {
            let to = from + Duration::from_secs_f64(phase.seconds);
            times.push(Self {
                name: phase.name.clone(),
                from,
                to,
            });
            from = to;
        }
        times
    }
}

impl ClientView {
    /// From the first arrival to the end of the last phase.
    pub(crate) fn length(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, |it| it.to)
    }
}

/// What one arm showed.
pub(crate) struct Measurement {
    pub(crate) clients: ClientView,
    pub(crate) evidence: Evidence,
    /// What orders, inventory and payments have written down since the shop was started.
    pub(crate) ledgers: Ledgers,
    /// Processes that died meanwhile.
    pub(crate) incidents: Vec<String>,
    /// Replicas of which a process has ended, however that came.
    pub(crate) gone: Vec<String>,
    /// What was still under way when there was no more waiting.
    pub(crate) restless: Vec<String>,
    /// What was done to the shop.
    pub(crate) happened: Vec<Happened>,
}

/// A step of the timeline that was carried out.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    /// In a few words.
    pub(crate) what: String,
    /// Since the first arrival was due.
    pub(crate) at: Duration,
    /// What it did, where something was away and came back.
    pub(crate) outage: Option<Outage>,
}

/// A service or a server that was killed and came back, or did not. Times count from its end.
#[derive(Debug, Clone)]
pub(crate) struct Outage {
    pub(crate) victim: String,
    /// The server, if it was one.
    pub(crate) server: Option<Server>,
    /// When it ended, since the first arrival was due.
    pub(crate) at: Duration,
    /// Until a server was started again; a service is at once.
    pub(crate) away: Duration,
    /// Until a server took requests again; services are asked for less.
    pub(crate) answered_after: Option<Duration>,
    /// Until everything was ready again, if it was.
    pub(crate) ready_after: Option<Duration>,
    /// Replicas that were asked whether they are ready.
    pub(crate) asked: BTreeSet<(Service, u32)>,
    /// Those that said meanwhile that they were not.
    pub(crate) unready: BTreeSet<(Service, u32)>,
}

impl Measurement {
    /// Whatever was away, in order of time.
    pub(crate) fn outages(&self) -> Vec<&Outage> {
        let happened = self.happened.iter();
        happened.filter_map(|it| it.outage.as_ref()).collect()
    }
}
