//! Carries one arm out on a deployment that we did not start, and which others may use meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{conditions::Conditions, course::Course, shop::SHOPPERS};
use crate::{
    accounts,
    deployment::Backends,
    engine::{Attempt, plan::Plan},
    evidence::{
        Evidence,
        admin::{Admin, between},
        ledgers::Ledgers,
    },
    experiment::Arm,
    http,
    interrupted::Interrupted,
    judge::{
        audit,
        reconcile::{self, Collected, collected},
        validity,
    },
    measurement::{Measurement, Replicas},
    processors,
    target::Target,
    timeline::Due,
    verdict::{Check, Group, Outcome},
};

/// The longest wait for orders that are not final: an order takes up to 30 s, and an event that fails again and again 4 s.
const FINAL_TIMEOUT: Duration = Duration::from_secs(45);
/// How often the ledgers are read, which are not written in one step.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for lines and traces under way: a trace is decided on after ten seconds, then they are sent in batches, and shown
/// within seconds.
const COLLECTED_TIMEOUT: Duration = Duration::from_mins(1);
/// How long before the first request, and after the last, a trace may have begun by other clocks.
const CLOCKS: Duration = Duration::from_secs(5);
/// The longest wait for an answer while shoppers log in.
const LOG_IN_TIMEOUT: Duration = Duration::from_secs(5);

/// What is left of `arm` on `target`; nothing, if it does something to the shop.
pub(super) fn left_of(arm: &Arm, target: &Target) -> Option<Arm> {
    let observed: &[fn(&Measurement) -> Vec<Check>] =
        &[validity::checks, audit::all, reconcile::counted];
    let unobserved: &[fn(&Measurement) -> Vec<Check>] = &[validity::load, |_| left_out(&[LEDGERS])];
    arm.only_loads().then_some(Arm {
        checks: match target.admin {
            Some(_) => observed,
            None => unobserved,
        },
        ..*arm
    })
}

const LEDGERS: (Group, &str, &str) = (
    Group::Audit,
    "ledgers",
    "no --discovery says where they are",
);
const LINES: (Group, &str, &str) = (
    Group::Reconciliation,
    "lines",
    "no --logs says where they are collected",
);
const TRACES: (Group, &str, &str) = (
    Group::Reconciliation,
    "traces",
    "no --traces says where they are collected",
);
const PATHS: (Group, &str, &str) = (
    Group::Reconciliation,
    "order traces are the saga graph",
    "no --discovery says how orders ended",
);

/// What is not looked at, and why: it is shown and does not count.
fn left_out(what: &[(Group, &'static str, &str)]) -> Vec<Check> {
    let check = |&(group, name, why): &(Group, &'static str, &str)| {
        let mut check = Check::new(group, name, Outcome::Inconclusive)
            .saw(format!("left out: {why}"), "compared");
        check.counts = false;
        check
    };
    what.iter().map(check).collect()
}

/// Carries `arm` out on `target`. Returns what it showed, and what became of its objectives and of what was collected.
pub(super) async fn measure(
    lab: &Conditions<'_>,
    arm: &Arm,
    dir: &Path,
    target: &Target,
) -> anyhow::Result<(Measurement, Vec<Check>)> {
    tokio::select! {
        measured = measured(lab, arm, dir, target) => measured,
        () = lab.stop.cancelled() => Err(Interrupted.into()),
    }
}

async fn measured(
    lab: &Conditions<'_>,
    arm: &Arm,
    dir: &Path,
    target: &Target,
) -> anyhow::Result<(Measurement, Vec<Check>)> {
    let step = |what: &str| lab.progress.step(format!("{}: {what}", arm.name));
    // Shoppers and idempotency keys of an earlier run are still there.
    let started = lab.run_dir.started().unix_timestamp();
    step("logging shoppers in");
    let http = http::client(LOG_IN_TIMEOUT)?;
    let shopper = format!("{}-{started}", accounts::SHOPPER);
    let tokens = accounts::shoppers(&http, &target.gateway, &shopper, SHOPPERS).await;
    let course = Course {
        lab,
        arm,
        dir,
        doors: &target.gateway,
        tokens: &tokens.with_context(|| format!("log shoppers in at {}", target.gateway))?,
        admin: None,
        backends: &Backends::default(),
        name: &format!("{}.{started}", arm.name),
    };
    let before = match &target.admin {
        Some(admin) => admin.scrape().await?,
        None => BTreeMap::default(),
    };
    let from = SystemTime::now();
    // Nothing is due meanwhile in an arm that only loads, so nobody waits for the first arrival.
    let drive = async |plan: &Plan, _: &[Due]| {
        let (tell, _) = oneshot::channel();
        Ok((course.engine(plan, tell).await?, Vec::new()))
    };
    let mut seen = course.looks(drive).await?;
    let to = SystemTime::now();
    step("comparing with what the deployment says");
    let (mut evidence, mut ledgers) = (Evidence::new(), Ledgers::default());
    if let Some(admin) = &target.admin {
        let promises = audit::promises(&seen.clients.load.attempts);
        ledgers = settled(admin, &promises).await?;
        evidence = between(before, admin.scrape().await?);
    }
    // An engine that ended early has not told of all that it sent.
    if seen.clients.load.counts.is_ok() {
        let attempts = &seen.clients.load.attempts;
        let known = target.admin.as_ref().map(|_| &ledgers);
        let window = (from - CLOCKS, to + CLOCKS);
        let checks = signals(target, course.name, window, attempts, known).await?;
        seen.objectives.extend(checks);
    }
    let measurement = Measurement {
        clients: seen.clients,
        evidence,
        ledgers,
        incidents: Vec::new(),
        gone: Vec::new(),
        restless: Vec::new(),
        happened: seen.happened,
        replicas: Replicas::default(),
        processors: processors::count(),
    };
    Ok((measurement, seen.objectives))
}

/// What was collected of our requests, whose ids begin with `prefix`, once it is all there, or there is no more waiting; and what is
/// not looked at.
async fn signals(
    target: &Target,
    prefix: &str,
    window: (SystemTime, SystemTime),
    attempts: &[Attempt],
    ledgers: Option<&Ledgers>,
) -> anyhow::Result<Vec<Check>> {
    let deadline = Instant::now() + COLLECTED_TIMEOUT;
    let mut checks = loop {
        let mut it = Collected::default();
        if let Some(logs) = &target.logs {
            it.documents = Some(logs.access(prefix).await?);
        }
        if let Some(jaeger) = &target.traces {
            it.traces = Some(jaeger.traces("POST /orders", prefix, window).await?);
        }
        let checks = collected(attempts, &it, ledgers);
        let all = checks.iter().all(|it| it.outcome == Outcome::Pass);
        if all || Instant::now() >= deadline {
            break checks;
        }
        sleep(READ_INTERVAL).await;
    };
    if target.logs.is_none() {
        checks.extend(left_out(&[LINES]));
    }
    match (&target.traces, ledgers) {
        (None, _) => checks.extend(left_out(&[TRACES])),
        (Some(_), None) => checks.extend(left_out(&[PATHS])),
        (Some(_), Some(_)) => (),
    }
    Ok(checks)
}

/// What the ledgers say of `promises` once all of them are final and nothing about them changes any more, or there is no more
/// waiting.
async fn settled(admin: &Admin, promises: &[audit::Promise]) -> anyhow::Result<Ledgers> {
    let keys: BTreeSet<_> = promises.iter().map(|it| it.key.as_str()).collect();
    let deadline = Instant::now() + FINAL_TIMEOUT;
    let mut last = None;
    loop {
        let ledgers = admin.ledgers().await?.only(&keys);
        let open = !audit::lost(promises, &ledgers).is_empty();
        if Instant::now() >= deadline || (!open && last.as_ref() == Some(&ledgers)) {
            return Ok(ledgers);
        }
        last = Some(ledgers);
        sleep(READ_INTERVAL).await;
    }
}
