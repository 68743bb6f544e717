//! A canary: a new version gets a share of the requests beside the one that serves, is compared with a fresh replica of that, and is
//! promoted or rolled back, alone.
//!
//! What counts is attempts, as the replicas themselves have counted them, and not requests as clients see them: those are tried again
//! elsewhere, and that hides what fails. It is compared with a baseline, a replica as young as itself that gets as large a share, and
//! not with those that have been there for long, whose caches and connections are warm.

mod comparison;
mod count;
mod decision;
mod exposition;

use std::time::{Duration, Instant};

use comparison::Comparison;
pub(crate) use count::Counts;
use count::count;
pub(crate) use decision::{Decision, Journal, Look, Tried};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    deployment::{Deployment, Farewell, Make, Replica, Service, Track},
    statistics::to_f64,
};

/// How often both are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Who has not answered so many times in a row is not seen.
const UNSEEN: u32 = 3;
/// Who has not been asked enough by then will not be.
const LONGEST: Duration = Duration::from_mins(2);

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Of which service.
    pub service: Service,
    /// What the canary calls its version; none is the version that serves, once more.
    pub version: Option<&'static str>,
    /// The share of the requests that it gets, and the baseline too, from 0 to a half.
    pub share: f64,
    /// An answer that takes longer is slow, in seconds: the bound of a bucket of latencies.
    pub slow_s: f64,
}

impl Trial {
    /// What a replica on one of both tracks weighs where each of so many stable ones weighs one.
    fn weight(&self, stable: usize) -> f64 {
        let stable = to_f64(stable as u64);
        stable * self.share / (1.0 - 2.0 * self.share)
    }

    fn look(&self, known: &Comparison, decision: Option<Decision>) -> Look {
        Look {
            service: self.service,
            version: self.version.unwrap_or("as before"),
            canary: known.canary,
            baseline: known.baseline,
            evidence: known.evidence(),
            decision,
        }
    }

    fn tried(&self, began: Instant, known: &Comparison, decision: Decision) -> Tried {
        let decided = Instant::now();
        Tried {
            decision,
            began,
            decided,
            ended: decided,
            last: self.look(known, Some(decision)),
        }
    }
}

/// Tries a version to the end, whichever that is, and hands on what was seen at each look.
///
/// # Errors
/// A replica that does not start, or what `hand_on` fails with. Then neither canary nor baseline stays.
pub(crate) async fn run(
    trial: Trial,
    deployment: &Deployment,
    hand_on: impl FnMut(&Look) -> anyhow::Result<()>,
) -> anyhow::Result<Tried> {
    exposition::begin(trial.service);
    let tried = tried(trial, deployment, hand_on).await;
    let cleared = take_away(trial.service, deployment).await;
    let mut tried = tried?;
    cleared?;
    tried.ended = Instant::now();
    Ok(tried)
}

async fn tried(
    trial: Trial,
    deployment: &Deployment,
    hand_on: impl FnMut(&Look) -> anyhow::Result<()>,
) -> anyhow::Result<Tried> {
    let service = trial.service;
    let serving = deployment.version(service);
    let weight = Some(trial.weight(on(deployment, service, Track::Stable).len()));
    let start = async |track, version| {
        deployment.weigh(service, track, weight)?;
        deployment.add_as(service, Make { version, track }).await
    };
    let (baseline, canary) = tokio::join!(
        start(Track::Baseline, serving),
        start(Track::Canary, trial.version.or(serving))
    );
    baseline?;
    let tried = if let Err(error) = canary {
        deployment.say(&format!("canary rolled back: {error:#}"));
        let decision = Decision::RolledBack("did not start");
        trial.tried(Instant::now(), &Comparison::default(), decision)
    } else {
        watch(trial, deployment, hand_on).await?
    };
    exposition::decided(service, tried.decision);
    if let (Decision::Promoted, Some(version)) = (tried.decision, trial.version) {
        deployment
            .replace(service, version, Farewell::Drain)
            .await?;
    }
    Ok(tried)
}

/// Looks at both until it is clear what to do.
async fn watch(
    trial: Trial,
    deployment: &Deployment,
    mut hand_on: impl FnMut(&Look) -> anyhow::Result<()>,
) -> anyhow::Result<Tried> {
    let began = Instant::now();
    let mut known = Comparison::default();
    let mut unseen = 0;
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let seen = async |track| {
            let replicas = on(deployment, trial.service, track);
            let replica = replicas.first()?;
            count(deployment.http(), replica, trial.slow_s).await.ok()
        };
        let both = tokio::join!(seen(Track::Canary), seen(Track::Baseline));
        let decision = if let (Some(canary), Some(baseline)) = both {
            unseen = 0;
            known.look(canary, baseline);
            known.decide(trial.version.is_some())
        } else {
            unseen += 1;
            (unseen >= UNSEEN).then_some(Decision::RolledBack("not seen"))
        };
        let late = || (began.elapsed() > LONGEST).then_some(Decision::Undecided);
        let decision = decision.or_else(late);
        exposition::show(trial.service, &known);
        hand_on(&trial.look(&known, decision))?;
        if let Some(decision) = decision {
            return Ok(trial.tried(began, &known, decision));
        }
    }
}

/// Leaves the service to its stable replicas: nobody is sent to the others any more, and then they go.
pub(crate) async fn take_away(service: Service, deployment: &Deployment) -> anyhow::Result<()> {
    let both = [Track::Canary, Track::Baseline];
    for track in both {
        deployment.weigh(service, track, Some(0.0))?;
    }
    for track in both {
        deployment.retire_all(service, track).await?;
        deployment.weigh(service, track, None)?;
    }
    Ok(())
}

fn on(deployment: &Deployment, service: Service, track: Track) -> Vec<Replica> {
    let mut replicas = deployment.replicas();
    replicas.retain(|it| (it.service, it.make.track) == (service, track));
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_gives_the_share_that_was_asked_for() {
        let trial = Trial {
            service: Service::Search,
            version: None,
            share: 0.1,
            slow_s: 0.25,
        };
        for stable in [1, 2, 6] {
            let weight = trial.weight(stable);
            let all = to_f64(stable as u64) + 2.0 * weight;
            assert!((weight / all - trial.share).abs() < 1e-9);
        }
    }
}
