//! What is done to services.

use std::collections::BTreeSet;

use anyhow::Context as _;
use tokio::time::{Duration, Instant, sleep};

use super::steps::Fault;
use crate::{
    deployment::{Deployment, Replica, Service},
    evidence::usage::Usage,
    measurement::Outage,
};

/// A service that is not back by then stays away.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// A process that has so many bytes more than it had is killed for that.
const LEAK: f64 = 128.0 * 1024.0 * 1024.0;
/// It leaks in steps of so many mebibytes, ...
const LEAK_STEP_MB: usize = 32;
/// ... one after so long.
const LEAK_EVERY: Duration = Duration::from_millis(100);
/// How often it is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_millis(10);

impl From<Fault> for chassis::Fault {
    fn from(it: Fault) -> Self {
        Self {
            route: it.route.to_owned(),
            workers: it.workers,
            cpu_ms: it.cpu_ms,
            latency_ms: it.latency_ms,
            hang: it.hang,
            error_ratio: it.error_ratio,
            error_status: it.error_status,
            ..Self::default()
        }
    }
}

/// Sets a fault on every replica of `service`, those that are started later too.
pub(crate) async fn set_fault(
    deployment: &Deployment,
    service: Service,
    fault: &chassis::Fault,
) -> anyhow::Result<()> {
    let http = deployment.http();
    let what = format!("set a fault at {service}");
    deployment.remember(service, None, fault);
    let set = |url| http.put(url).json(fault);
    on_each(&replicas(deployment, service), service, &what, set).await
}

/// Sets a fault on the newest replica of `service`.
pub(super) async fn set_fault_at_newest(
    deployment: &Deployment,
    service: Service,
    fault: &chassis::Fault,
) -> anyhow::Result<()> {
    let http = deployment.http();
    let what = format!("set a fault at one {service}");
    let newest = replicas(deployment, service).into_iter();
    let newest: Vec<_> = newest.max_by_key(|it| it.number).into_iter().collect();
    on_each(&newest, service, &what, |url| http.put(url).json(fault)).await
}

/// Clears every fault of every replica of `service`.
pub(crate) async fn clear_faults(deployment: &Deployment, service: Service) -> anyhow::Result<()> {
    let what = format!("clear the faults at {service}");
    deployment.forget_faults(service);
    let clear = |url| deployment.http().delete(url);
    on_each(&replicas(deployment, service), service, &what, clear).await
}

fn replicas(deployment: &Deployment, service: Service) -> Vec<Replica> {
    let mut replicas = deployment.replicas();
    replicas.retain(|it| it.admin_of(service).is_some());
    replicas
}

async fn on_each(
    replicas: &[Replica],
    service: Service,
    what: &str,
    request: impl Fn(String) -> reqwest::RequestBuilder,
) -> anyhow::Result<()> {
    anyhow::ensure!(!replicas.is_empty(), "{what}: no replica is running");
    for admin in replicas.iter().filter_map(|it| it.admin_of(service)) {
        let answer = request(format!("{admin}/faults")).send().await;
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
        (it.service, it.number) == (victim.service, victim.number) && it.start != victim.start
    };
    let back = || deployment.replicas().iter().any(again);
    while !back() && at.elapsed() < BACK_WITHIN {
        sleep(ASK_EVERY).await;
    }
    Ok(Outage {
        victim: victim.service.to_string(),
        server: None,
        at: at - began,
        away: Duration::ZERO,
        answered_after: None,
        ready_after: back().then(|| at.elapsed()),
        asked: BTreeSet::new(),
        unready: BTreeSet::new(),
    })
}

/// Has `service` hold more and more memory, and kills its process once that has grown by [`LEAK`], as the kernel does where a control
/// group has no more. Waits until it runs again, without the fault.
pub(super) async fn leak(
    deployment: &Deployment,
    service: Service,
    began: Instant,
) -> anyhow::Result<Outage> {
    let victim = deployment.newest(service)?;
    let resident = || Usage::of(victim.pid).map(|it| it.resident);
    let before = resident().context("read how much memory a process has")?;
    for memory_mb in (LEAK_STEP_MB..).step_by(LEAK_STEP_MB) {
        let fault = chassis::Fault {
            memory_mb,
            ..chassis::Fault::default()
        };
        set_fault_at_newest(deployment, service, &fault).await?;
        if resident().is_none_or(|it| it - before >= LEAK) {
            break;
        }
        sleep(LEAK_EVERY).await;
    }
    kill(deployment, service, began).await
}
