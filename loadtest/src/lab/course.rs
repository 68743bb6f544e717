//! The load of one arm: the phases, and further looks while objectives are undecided.

use std::{path::Path, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::conditions::Conditions;
use crate::{
    deployment::Backends,
    engine::{
        Event,
        parent::{self, Load},
        plan::{Phase, Plan},
    },
    experiment::Arm,
    judge::looks::{self, LOOKS, ONE_LOOK},
    measurement::{ClientView, Happened, PhaseTime},
    processors::Processors,
    recording::Recording,
    statistics::Confidence,
    timeline::{self, Due},
    verdict::Check,
};

/// The longest a client waits.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Goose users there are in any case.
const MIN_USERS: f64 = 60.0;
/// Sets the seeds of further looks apart.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What is sent where.
pub(super) struct Course<'a> {
    pub(super) lab: &'a Conditions<'a>,
    pub(super) arm: &'a Arm,
    pub(super) dir: &'a Path,
    /// Where requests go, as a plan says it.
    pub(super) doors: &'a str,
    /// Tokens of shoppers who are logged in.
    pub(super) tokens: &'a [String],
    /// That of the admin, if somebody comes who needs it.
    pub(super) admin: Option<&'a str>,
    pub(super) backends: &'a Backends,
    /// What request ids and idempotency keys begin with.
    pub(super) name: &'a str,
}

/// What came of it.
pub(super) struct Seen {
    pub(super) clients: ClientView,
    pub(super) happened: Vec<Happened>,
    /// What became of the objectives.
    pub(super) objectives: Vec<Check>,
}

impl Course<'_> {
    /// Looks as often as the objectives need it. `drive` carries out one plan and what is due meanwhile.
    pub(super) async fn looks(
        &self,
        mut drive: impl AsyncFnMut(&Plan, &[Due]) -> anyhow::Result<(Load, Vec<Happened>)>,
    ) -> anyhow::Result<Seen> {
        let before = Processors::now();
        let (mut clients, happened) = self.first_look(&mut drive).await?;
        let looks: &[Confidence] = match clients.measured {
            Some(_) => &LOOKS,
            None => &ONE_LOOK,
        };
        let mut objectives = Vec::new();
        for (number, &confidence) in (1..).zip(looks) {
            if number > 1 {
                self.go_on(&mut clients, &mut drive).await?;
            }
            clients.stolen = before.and_then(|it| Some(Processors::now()?.stolen_since(it)));
            clients.looks = number;
            clients.confidence = confidence;
            let judged = self
                .arm
                .objectives
                .iter()
                .flat_map(|it| it(&clients))
                .collect();
            objectives = looks::carry(&objectives, judged);
            if clients.load.counts.is_err() || !looks::go_on(self.arm.claim, &objectives) {
                break;
            }
        }
        Ok(Seen {
            clients,
            happened,
            objectives,
        })
    }

    /// All phases, and the timeline.
    async fn first_look(
        &self,
        drive: &mut impl AsyncFnMut(&Plan, &[Due]) -> anyhow::Result<(Load, Vec<Happened>)>,
    ) -> anyhow::Result<(ClientView, Vec<Happened>)> {
        let (arm, backends) = (self.arm, self.backends);
        let plan = self.plan(arm.phases(self.lab.args, backends), 1)?;
        let phases = PhaseTime::of(&plan.phases, Duration::ZERO);
        let steps = timeline::schedule(arm.timeline, &phases, backends)?;
        let (load, happened) = drive(&plan, &steps).await?;
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
    async fn go_on(
        &self,
        clients: &mut ClientView,
        drive: &mut impl AsyncFnMut(&Plan, &[Due]) -> anyhow::Result<(Load, Vec<Happened>)>,
    ) -> anyhow::Result<()> {
        let phases = self.arm.more(self.lab.args, self.backends);
        let plan = self.plan(phases, clients.looks + 1)?;
        let (load, _) = drive(&plan, &[]).await?;
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

    /// Runs the engine, and tells when the first arrival is due.
    pub(super) async fn engine(
        &self,
        plan: &Plan,
        tell: oneshot::Sender<Instant>,
    ) -> anyhow::Result<Load> {
        let Conditions { progress, stop, .. } = self.lab;
        progress.load(&plan.name, plan.length());
        if let Some(clients) = self.lab.clients {
            clients.follow(&plan.output);
        }
        let mut tell = Some(tell);
        let mut began = Instant::now();
        // It owns the sender, so that whoever waits hears of an engine that ends before it begins.
        let follow = move |event: &Event| match event {
            Event::Began => {
                began = Instant::now();
                if let Some(clients) = self.lab.clients {
                    clients.begin(&plan.phases);
                }
                if let Some(tell) = tell.take() {
                    // Whoever no longer waits does not want to know.
                    let _ = tell.send(began);
                }
            }
            Event::Progress(counts) | Event::Done(counts) => {
                progress.follow(began.elapsed(), counts);
            }
        };
        parent::run(plan, stop, follow).await
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
        let users = (peak * self.arm.users_per_rate).max(MIN_USERS) as usize;
        let name = match look {
            1 => self.name.to_owned(),
            _ => format!("{}.{look}", self.name),
        };
        let again = SEED_STEP.wrapping_mul(u64::from(look) - 1);
        Ok(Plan {
            output: self.dir.join("load").join(&name),
            name,
            target: self.doors.to_owned(),
            seed: self.lab.seed.wrapping_add(again),
            users,
            products: self.arm.shop.products,
            mix: self.arm.shop.mix,
            tokens: self.tokens.to_vec(),
            admin: self.admin.map(str::to_owned),
            timeout_ms: u64::try_from(CLIENT_TIMEOUT.as_millis())?,
            deadline_ms: self.arm.deadline_ms,
            phases,
            starve_ms: self.lab.args.starve_ms,
        })
    }
}
