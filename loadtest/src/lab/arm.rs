//! Carries one arm out: load, timeline and evidence, and further looks while objectives are undecided.

use std::{convert::Infallible, path::Path, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{conditions::Conditions, shop::Shop};
use crate::{
    deployment::Deployment,
    engine::{
        Event,
        parent::{self, Load},
        plan::{Phase, Plan},
    },
    evidence::{collect::Window, ledgers::Ledgers},
    experiment::Arm,
    interrupted::Interrupted,
    judge::looks::{self, LOOKS, ONE_LOOK},
    measurement::{ClientView, Happened, Measurement, PhaseTime},
    processors::Processors,
    recording::Recording,
    statistics::Confidence,
    timeline::{self, Due},
    verdict::Check,
};

/// What the shop is seeded with, which is the services' default.
const PRODUCTS: u32 = 1000;
/// The longest a client waits.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the shop is scraped under load.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);
/// Goose users for each arrival a second: a visit takes about half a second, so most of them are idle.
const USERS_PER_RATE: f64 = 3.0;
/// Goose users there are in any case.
const MIN_USERS: f64 = 60.0;
/// Sets the seeds of further looks apart.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// One arm in its shop.
struct Run<'a> {
    lab: &'a Conditions<'a>,
    shop: &'a Shop,
    arm: &'a Arm,
    dir: &'a Path,
}

/// Carries `arm` out on a shop of its own in `dir`. Returns what it showed and what became of its objectives.
pub(super) async fn measure(
    lab: &Conditions<'_>,
    arm: &Arm,
    dir: &Path,
) -> anyhow::Result<(Measurement, Vec<Check>)> {
    let shop = Shop::open(lab, arm, dir).await?;
    let run = Run {
        lab,
        shop: &shop,
        arm,
        dir,
    };
    let measured = tokio::select! {
        measured = run.measure() => measured,
        () = lab.stop.cancelled() => Err(Interrupted.into()),
    };
    lab.progress
        .step(format!("{}: stopping the shop", arm.name));
    shop.deployment.stop().await;
    measured
}

impl Run<'_> {
    async fn measure(&self) -> anyhow::Result<(Measurement, Vec<Check>)> {
        let (shop, arm) = (self.shop, self.arm);
        let (deployment, spans) = (&shop.deployment, &shop.receiver.spans);
        self.step("waiting for quiet");
        let mut window = Window::open(deployment, spans).await?;
        let before = Processors::now();
        let (mut clients, happened) = self.first_look(&mut window).await?;
        let looks: &[Confidence] = match clients.measured {
            Some(_) => &LOOKS,
            None => &ONE_LOOK,
        };
        let mut objectives = Vec::new();
        for (number, &confidence) in (1..).zip(looks) {
            if number > 1 {
                self.go_on(&mut clients, &mut window).await?;
            }
            clients.stolen = before.and_then(|it| Some(Processors::now()?.stolen_since(it)));
            clients.looks = number;
            clients.confidence = confidence;
            let judged = arm.objectives.iter().flat_map(|it| it(&clients)).collect();
            objectives = looks::carry(&objectives, judged);
            if clients.load.counts.is_err() || !looks::go_on(arm.claim, &objectives) {
                break;
            }
        }
        self.step("comparing the signals");
        let closed = window.close(deployment, spans).await?;
        let measurement = Measurement {
            clients,
            evidence: closed.evidence,
            ledgers: Ledgers::read(deployment).await?,
            incidents: closed.incidents,
            gone: closed.gone,
            restless: closed.restless,
            happened,
        };
        Ok((measurement, objectives))
    }

    fn step(&self, what: &str) {
        self.lab.progress.step(format!("{}: {what}", self.arm.name));
    }

    /// All phases, and the timeline.
    async fn first_look(&self, window: &mut Window) -> anyhow::Result<(ClientView, Vec<Happened>)> {
        let (arm, backends) = (self.arm, &self.shop.backends);
        let plan = self.plan(arm.phases(self.lab.args, backends), 1)?;
        let phases = PhaseTime::of(&plan.phases, Duration::ZERO);
        let steps = timeline::schedule(arm.timeline, &phases, backends)?;
        let (load, happened) = self.drive(&plan, window, &steps).await?;
        let clients = ClientView {
            users: plan.users,
            phases,
            measured: arm.measured(),
            recording: Recording::of(&load.attempts),
            load,
            stolen: None,
            looks: 1,
            confidence: ONE_LOOK[0],
        };
        Ok((clients, happened))
    }

    /// The measured phase once more. It begins with the next whole second, so that no second is of both.
    async fn go_on(&self, clients: &mut ClientView, window: &mut Window) -> anyhow::Result<()> {
        let phases = self.arm.more(self.lab.args, &self.shop.backends);
        let plan = self.plan(phases, clients.looks + 1)?;
        let (load, _) = self.drive(&plan, window, &[]).await?;
        let last = clients.load.attempts.iter().map(|it| it.done_us).max();
        let last = u64::try_from(last.unwrap_or(0)).unwrap_or(0);
        let last = Duration::from_micros(last).max(clients.length());
        let origin = Duration::from_secs(last.as_secs() + 1);
        clients.phases.extend(PhaseTime::of(&plan.phases, origin));
        let shift = i64::try_from(origin.as_micros()).unwrap_or(i64::MAX);
        clients.load.append(load, shift);
        clients.recording = Recording::of(&clients.load.attempts);
        Ok(())
    }

    /// Runs the engine, scrapes the shop and carries `steps` out meanwhile.
    async fn drive(
        &self,
        plan: &Plan,
        window: &mut Window,
        steps: &[Due],
    ) -> anyhow::Result<(Load, Vec<Happened>)> {
        let Conditions { progress, stop, .. } = self.lab;
        progress.load(&plan.name, plan.length());
        if let Some(stack) = self.lab.stack {
            stack.clients.follow(&plan.output);
        }
        let (tell, told) = oneshot::channel();
        let mut tell = Some(tell);
        let mut began = Instant::now();
        // It owns the sender, so that whoever waits hears of an engine that ends before it begins.
        let follow = move |event: &Event| match event {
            Event::Began => {
                began = Instant::now();
                if let Some(tell) = tell.take() {
                    // Whoever no longer waits does not want to know.
                    let _ = tell.send(began);
                }
            }
            Event::Progress(counts) | Event::Done(counts) => {
                progress.follow(began.elapsed(), counts);
            }
        };
        let deployment = &self.shop.deployment;
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
        let load = async { tokio::try_join!(parent::run(plan, stop, follow), disturbed) };
        // Side by side: services whose server is away take their time, and what disturbs them keeps to its own.
        tokio::select! {
            load = load => load,
            never = scrape(deployment, window) => match never {},
        }
    }

    /// What the engine is asked for before this look.
    fn plan(&self, phases: Vec<Phase>, look: u32) -> anyhow::Result<Plan> {
        let peak = phases
            .iter()
            .map(|it| it.arrivals.peak())
            .fold(0.0, f64::max);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rates are limited by the command line"
        )]
        let users = (peak * USERS_PER_RATE).max(MIN_USERS) as usize;
        let name = match look {
            1 => self.arm.name.to_owned(),
            _ => format!("{}.{look}", self.arm.name),
        };
        let again = SEED_STEP.wrapping_mul(u64::from(look) - 1);
        Ok(Plan {
            output: self.dir.join("load").join(&name),
            name,
            target: self.shop.gateway.clone(),
            seed: self.lab.seed.wrapping_add(again),
            users,
            products: PRODUCTS,
            mix: self.arm.shop.mix,
            tokens: self.shop.tokens.clone(),
            timeout_ms: u64::try_from(CLIENT_TIMEOUT.as_millis())?,
            phases,
            starve_ms: self.lab.args.starve_ms,
        })
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
