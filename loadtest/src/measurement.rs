//! What a stretch of load showed: the facts that checks are made of.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    autoscaler::Decision,
    canary::{self, Look},
    deployment::{Life, Make, Server, Service},
    engine::{Attempt, parent::Load, plan::Phase},
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
    pub(crate) fn length(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }

    /// Whether a request was due then.
    pub(crate) fn has(&self, attempt: &Attempt) -> bool {
        let due = u64::try_from(attempt.intended_us).ok();
        let due = due.map(Duration::from_micros);
        due.is_some_and(|it| (self.from..self.to).contains(&it))
    }

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

    /// The phase of this name, the first time it was.
    pub(crate) fn phase(&self, name: &str) -> Option<&PhaseTime> {
        self.phases.iter().find(|it| it.name == name)
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
    /// Replicas of which a process has ended without saying what it had counted.
    pub(crate) gone: Vec<String>,
    /// What was still under way when there was no more waiting.
    pub(crate) restless: Vec<String>,
    /// What was done to the shop.
    pub(crate) happened: Vec<Happened>,
    /// Which replicas there were.
    pub(crate) replicas: Replicas,
    /// How many processors this machine has.
    pub(crate) processors: u32,
}

/// Which replicas there were, and what was decided of them. Times are seconds since the first arrival was due.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replicas {
    /// Every process there was.
    pub(crate) presences: Vec<Presence>,
    /// What the autoscaler decided, in order of time.
    pub(crate) decisions: Vec<Decided>,
}

/// One process of a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Presence {
    pub(crate) service: Service,
    /// As spans, lines and files name it.
    pub(crate) instance: String,
    /// What it was started as.
    pub(crate) make: Make,
    /// When it was started.
    pub(crate) started: f64,
    /// Since when it took requests, if it came to that.
    pub(crate) ready: Option<f64>,
    /// Until when it was found.
    pub(crate) left: Option<f64>,
    /// When it had ended.
    pub(crate) ended: Option<f64>,
}

/// A decision, and when it was.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) at: f64,
    pub(crate) decision: Decision,
}

impl Replicas {
    /// From what is known of processes and decisions, where `began` is when the first arrival was due.
    pub(crate) fn of(lives: &[Life], decisions: Vec<Decision>, began: Instant) -> Self {
        let since = |it: Instant| match it.checked_duration_since(began) {
            Some(after) => after.as_secs_f64(),
            None => -(began - it).as_secs_f64(),
        };
        let presence = |it: &Life| Presence {
            service: it.service,
            instance: it.instance(),
            make: it.make,
            started: since(it.started),
            ready: it.ready.map(since),
            left: it.left.map(since),
            ended: it.ended.map(since),
        };
        let decided = |decision: Decision| Decided {
            at: since(decision.at),
            decision,
        };
        Self {
            presences: lives.iter().map(presence).collect(),
            decisions: decisions.into_iter().map(decided).collect(),
        }
    }

    /// The processes of one service.
    pub(crate) fn of_service(&self, service: Service) -> impl Iterator<Item = &Presence> {
        self.presences
            .iter()
            .filter(move |it| it.service == service)
    }

    /// The decisions by which replicas were added or taken away.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Decided> {
        self.decisions.iter().filter(|it| it.decision.changes())
    }
}

impl Presence {
    /// How many seconds of a stretch it was there: what it costs, its start and its drain included.
    pub(crate) fn seconds_within(&self, from: f64, to: f64) -> f64 {
        let end = self.ended.unwrap_or(f64::INFINITY);
        (end.min(to) - self.started.max(from)).max(0.0)
    }

    /// Whether it takes requests at some time.
    pub(crate) fn takes_requests(&self, at: f64) -> bool {
        self.ready.is_some_and(|it| it <= at) && self.left.is_none_or(|it| at < it)
    }
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
    /// What came of it, where a version was tried.
    pub(crate) tried: Option<CanaryTried>,
}

/// A version that was tried as a canary. Times count from when the first arrival was due.
#[derive(Debug, Clone)]
pub(crate) struct CanaryTried {
    pub(crate) decision: canary::Decision,
    /// When it and its baseline were found.
    pub(crate) began: Duration,
    pub(crate) decided: Duration,
    /// When that had been carried out.
    pub(crate) ended: Duration,
    /// What was known when it was decided.
    pub(crate) last: Look,
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
