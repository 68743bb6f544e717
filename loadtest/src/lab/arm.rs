//! Carries one arm out on a shop of its own: load, timeline and evidence.

use std::{convert::Infallible, path::Path, time::Duration};

use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use super::{conditions::Conditions, course::Course, shop::Shop};
use crate::{
    deployment::Deployment,
    engine::{parent::Load, plan::Plan},
    evidence::{collect::Window, ledgers::Ledgers},
    experiment::Arm,
    interrupted::Interrupted,
    measurement::{Happened, Measurement},
    timeline::{self, Due},
    verdict::Check,
};

/// How often the shop is scraped under load.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);

/// Carries `arm` out on a shop of its own in `dir`. Returns what it showed and what became of its objectives.
pub(super) async fn measure(
    lab: &Conditions<'_>,
    arm: &Arm,
    dir: &Path,
) -> anyhow::Result<(Measurement, Vec<Check>)> {
    let shop = Shop::open(lab, arm, dir).await?;
    let course = Course {
        lab,
        arm,
        dir,
        gateway: &shop.gateway,
        tokens: &shop.tokens,
        backends: &shop.backends,
        name: arm.name,
    };
    let measured = tokio::select! {
        measured = measured(&course, &shop) => measured,
        () = lab.stop.cancelled() => Err(Interrupted.into()),
    };
    lab.progress
        .step(format!("{}: stopping the shop", arm.name));
    shop.deployment.stop().await;
    measured
}

async fn measured(course: &Course<'_>, shop: &Shop) -> anyhow::Result<(Measurement, Vec<Check>)> {
    let (deployment, spans) = (&shop.deployment, &shop.receiver.spans);
    let step = |what: &str| {
        let (progress, name) = (course.lab.progress, course.arm.name);
        progress.step(format!("{name}: {what}"));
    };
    step("waiting for quiet");
    let mut window = Window::open(deployment, spans).await?;
    let drive = async |plan: &Plan, steps: &[Due]| {
        drive(course, deployment, &mut window, plan, steps).await
    };
    let seen = course.looks(drive).await?;
    step("comparing the signals");
    let closed = window.close(deployment, spans).await?;
    let measurement = Measurement {
        clients: seen.clients,
        evidence: closed.evidence,
        ledgers: Ledgers::of(deployment).await?,
        incidents: closed.incidents,
        gone: closed.gone,
        restless: closed.restless,
        happened: seen.happened,
    };
    Ok((measurement, seen.objectives))
}

/// Runs the engine, scrapes the shop and carries `steps` out meanwhile.
async fn drive(
    course: &Course<'_>,
    deployment: &Deployment,
    window: &mut Window,
    plan: &Plan,
    steps: &[Due],
) -> anyhow::Result<(Load, Vec<Happened>)> {
    let (tell, told) = oneshot::channel();
    let disturbed = async {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        match told.await {
            Ok(began) => timeline::run(steps, deployment, began).await,
            // How the engine ended is in its counts.
            Err(_) => Ok(Vec::new()),
        }
    };
    let load = async { tokio::try_join!(course.engine(plan, tell), disturbed) };
    // Side by side: services whose server is away take their time, and what disturbs them keeps to its own.
    tokio::select! {
        load = load => load,
        never = scrape(deployment, window) => match never {},
    }
}

async fn scrape(deployment: &Deployment, window: &mut Window) -> Infallible {
    let mut ticks = interval(SCRAPE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        window.scrape(deployment).await;
    }
}
