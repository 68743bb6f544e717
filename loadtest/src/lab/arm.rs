//! Carries one arm out on a shop of its own: load, timeline and evidence.

use std::{convert::Infallible, path::Path, time::Duration};

use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use super::{conditions::Conditions, course::Course, scaling::Scaling, shop::Shop};
use crate::{
    deployment::Deployment,
    engine::{parent::Load, plan::Plan},
    evidence::{collect::Window, ledgers::Ledgers},
    experiment::Arm,
    interrupted::Interrupted,
    measurement::{Happened, Measurement},
    processors,
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
        doors: &shop.doors,
        tokens: &shop.tokens,
        admin: shop.admin.as_deref(),
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
    let mut scaling = Scaling::of(course.arm, course.dir)?;
    let drive = async |plan: &Plan, steps: &[Due]| {
        drive(course, deployment, &mut window, &mut scaling, plan, steps).await
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
        replicas: scaling.replicas(deployment),
        processors: processors::count(),
    };
    Ok((measurement, seen.objectives))
}

/// Runs the engine, scrapes the shop, scales it if it is to be scaled, and carries `steps` out meanwhile.
async fn drive(
    course: &Course<'_>,
    deployment: &Deployment,
    window: &mut Window,
    scaling: &mut Scaling<'_>,
    plan: &Plan,
    steps: &[Due],
) -> anyhow::Result<(Load, Vec<Happened>)> {
    let tell_step = |what: &str| {
        if let Some(clients) = course.lab.clients {
            clients.step(what.to_owned());
        }
    };
    let (tell, told) = oneshot::channel();
    let (pass_on, passed_on) = oneshot::channel();
    let disturbed = async {
        match told.await {
            Ok(began) => {
                // Whoever no longer waits does not want to know.
                let _ = pass_on.send(began);
                timeline::run(steps, deployment, began, tell_step).await
            }
            // How the engine ended is in its counts.
            Err(_) => Ok(Vec::new()),
        }
    };
    let scaled = async {
        match passed_on.await {
            Ok(began) => scaling.go_on(deployment, began).await,
            Err(_) => std::future::pending().await,
        }
    };
    let load = async { tokio::try_join!(course.engine(plan, tell), disturbed) };
    // Side by side: services whose server is away take their time, and what disturbs them keeps to its own.
    tokio::select! {
        load = load => load,
        never = scaled => match never? {},
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
