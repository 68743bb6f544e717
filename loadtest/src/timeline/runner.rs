//! Carries a timeline out.

use tokio::time::{Instant, sleep_until};

use super::{
    act,
    outage::Away,
    steps::{Do, Due},
};
use crate::{
    canary::{self, Journal, Trial},
    deployment::Deployment,
    measurement::{CanaryTried, Happened, Outage},
};

/// Carries `steps` out, one after the other, counting from `began`, and tells each as it begins. A service that stays away ends
/// it: what would follow shows nothing.
pub(crate) async fn run(
    steps: &[Due],
    deployment: &Deployment,
    began: Instant,
    tell: impl Fn(&str),
) -> anyhow::Result<Vec<Happened>> {
    let mut happened = Vec::new();
    let mut away: Vec<Away> = Vec::new();
    let mut ended = began;
    for step in steps {
        sleep_until((began + step.at).max(ended + step.rest)).await;
        let at = began.elapsed();
        let what = step.act.to_string();
        tell(&what);
        let Effect { outage, tried } = carry_out(step.act, deployment, began, &mut away).await?;
        ended = Instant::now();
        let stays_away = outage.as_ref().is_some_and(|it| it.ready_after.is_none());
        happened.push(Happened {
            what,
            at,
            outage,
            tried,
        });
        if stays_away && matches!(step.act, Do::Kill(_) | Do::Leak(_)) {
            break;
        }
    }
    Ok(happened)
}

/// What an act did that is worth knowing.
#[derive(Default)]
struct Effect {
    outage: Option<Outage>,
    tried: Option<CanaryTried>,
}

impl From<Outage> for Effect {
    fn from(outage: Outage) -> Self {
        Self {
            outage: Some(outage),
            tried: None,
        }
    }
}

/// Tries a version, and writes down why it did what it did.
async fn attempt(
    trial: Trial,
    deployment: &Deployment,
    began: Instant,
) -> anyhow::Result<CanaryTried> {
    let mut journal = Journal::open(&deployment.log("canary.log"))?;
    let tried = canary::run(trial, deployment, |look| journal.write(look)).await?;
    let since = |it: std::time::Instant| it.saturating_duration_since(began.into_std());
    Ok(CanaryTried {
        decision: tried.decision,
        began: since(tried.began),
        decided: since(tried.decided),
        ended: since(tried.ended),
        last: tried.last,
    })
}

async fn carry_out(
    act: Do,
    deployment: &Deployment,
    began: Instant,
    away: &mut Vec<Away>,
) -> anyhow::Result<Effect> {
    match act {
        Do::Fault(service, fault) => {
            act::set_fault(deployment, service, &fault.into()).await?;
        }
        Do::FaultOne(service, fault) => {
            act::set_fault_at_newest(deployment, service, &fault.into()).await?;
        }
        Do::ClearFaults(service) => act::clear_faults(deployment, service).await?,
        Do::Kill(service) => {
            return act::kill(deployment, service, began)
                .await
                .map(Effect::from);
        }
        Do::Leak(service) => {
            return act::leak(deployment, service, began)
                .await
                .map(Effect::from);
        }
        Do::StopServer(server) => away.push(Away::begin(deployment, server, began).await?),
        Do::StartServer(server) => {
            let place = away.iter().position(|it| it.server == server);
            let place = place.ok_or_else(|| {
                anyhow::anyhow!("start {}: the timeline has not stopped it", server.name())
            })?;
            return away.swap_remove(place).end().await.map(Effect::from);
        }
        Do::Scale(service, replicas) => deployment.scale(service, replicas).await?,
        Do::Replace(service, version, farewell) => {
            deployment.replace(service, version, farewell).await?;
        }
        Do::FaultVersion(service, version, fault) => {
            deployment.remember(service, Some(version), &fault.into());
        }
        Do::Try(trial) => {
            let tried = Some(attempt(trial, deployment, began).await?);
            return Ok(Effect {
                outage: None,
                tried,
            });
        }
        Do::Call(_, act) => act(deployment).await?,
    }
    Ok(Effect::default())
}
