//! What is done to services.

use std::collections::BTreeSet;

use anyhow::Context as _;
use tokio::time::{Duration, Instant, sleep};

use super::steps::Fault;
use crate::{
    deployment::{Deployment, Replica, Service},
    measurement::Outage,
};

/// A service that is not back by then stays away.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_millis(10);

impl From<Fault> for chassis::Fault {
    fn from(it: Fault) -> Self {
        Self {
            route: it.route.to_owned(),
            cpu_ms: it.cpu_ms,
            latency_ms: it.latency_ms,
            at_once: it.at_once,
            hang: it.hang,
            error_ratio: it.error_ratio,
            ..Self::default()
        }
    }
}

/// Sets a fault on every replica of `service`.
pub(crate) async fn set_fault(
    deployment: &Deployment,
    service: Service,
    fault: &chassis::Fault,
) -> anyhow::Result<()> {
    let http = deployment.http();
    let what = format!("set a fault at {service}");
    on_every_replica(deployment, service, &what, |url| http.put(url).json(fault)).await
}

/// Clears every fault of every replica of `service`.
pub(super) async fn clear_faults(deployment: &Deployment, service: Service) -> anyhow::Result<()> {
    let what = format!("clear the faults at {service}");
    on_every_replica(deployment, service, &what, |url| {
        deployment.http().delete(url)
    })
    .await
}

async fn on_every_replica(
    deployment: &Deployment,
    service: Service,
    what: &str,
    request: impl Fn(String) -> reqwest::RequestBuilder,
) -> anyhow::Result<()> {
    let mut replicas = deployment.replicas();
    replicas.retain(|it| it.service == service);
    anyhow::ensure!(!replicas.is_empty(), "{what}: no replica is running");
    for replica in replicas {
        let url = format!("http://{}/faults", replica.admin);
        let answer = request(url).send().await;
        answer
            .and_then(reqwest::Response::error_for_status)
            .with_context(|| what.to_owned())?;
    }
    Ok(())
}

/// Kills the newest replica of `service` and waits until it runs again.
pub(super) async fn kill(
    deployment: &Deployment,
    service: Service,
    began: Instant,
) -> anyhow::Result<Outage> {
    let victim = deployment.kill(service)?;
    let at = Instant::now();
    let again = |it: &Replica| {
        it.service == service && it.number == victim.number && it.start != victim.start
    };
    let back = || deployment.replicas().iter().any(again);
    while !back() && at.elapsed() < BACK_WITHIN {
        sleep(ASK_EVERY).await;
    }
    Ok(Outage {
        victim: service.to_string(),
        server: None,
        at: at - began,
        away: Duration::ZERO,
        answered_after: None,
        ready_after: back().then(|| at.elapsed()),
        asked: BTreeSet::new(),
        unready: BTreeSet::new(),
    })
}
