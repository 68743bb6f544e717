//! Kubernetes' autoscaler for one service of a deployment: it looks at the replicas every sync period, asks [`hpa`], starts and drains.
//!
//! It reads the file that a cluster reads. Time can be scaled: then its periods and windows pass faster, all alike.

mod clock;
mod decision;
mod exposition;
mod observation;
mod sampler;
mod settings;

use std::{convert::Infallible, time::Duration};

use clock::Clock;
pub(crate) use decision::{Decision, Journal};
pub(crate) use exposition::serve;
use sampler::Sampler;
pub(crate) use settings::Settings;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::deployment::Deployment;

/// How often Kubernetes' controller decides (`--horizontal-pod-autoscaler-sync-period`).
pub(crate) const SYNC_PERIOD: Duration = Duration::from_secs(15);
/// Over what time a metric is measured: two sync periods, as the adapter of a cluster has it.
const METRIC_WINDOW: Duration = Duration::from_secs(30);

/// The autoscaler of one service.
pub(crate) struct Autoscaler {
    settings: Settings,
    clock: Clock,
    sampler: Sampler,
    controller: hpa::Controller,
    state: hpa::State,
}

impl Autoscaler {
    /// One that remembers nothing.
    pub(crate) fn new(settings: Settings) -> Self {
        let clock = Clock::start(settings.time_scale);
        Self {
            sampler: Sampler::new(clock.real(METRIC_WINDOW)),
            controller: hpa::Controller::default(),
            state: hpa::State::default(),
            settings,
            clock,
        }
    }

    /// Decides again and again, and hands on what it has decided.
    ///
    /// # Errors
    /// What `hand_on` fails with.
    pub(crate) async fn run(
        mut self,
        deployment: &Deployment,
        mut hand_on: impl FnMut(Decision) -> anyhow::Result<()>,
    ) -> anyhow::Result<Infallible> {
        let mut ticks = interval(self.clock.real(SYNC_PERIOD));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            hand_on(self.decide(deployment).await)?;
        }
    }

    async fn decide(&mut self, deployment: &Deployment) -> Decision {
        let service = self.settings.service;
        let mut replicas = deployment.replicas();
        replicas.retain(|it| it.service == service);
        // Who does not answer within a period has no sample, as in a cluster.
        let patience = self.clock.real(SYNC_PERIOD);
        let http = deployment.http();
        self.sampler.look(http, &replicas, patience).await;
        let mut lives = deployment.lives();
        lives.retain(|it| it.service == service && it.ended.is_none());
        let told = deployment.told(service);
        let object = &self.settings.object;
        let seen = observation::of(object, &lives, told, &self.sampler, &self.clock);
        let at = Instant::now().into_std();
        let decided =
            self.controller
                .decide(object, &mut self.state, &seen, self.clock.time_of(at));
        let outcome = decided.settle(&mut self.state, |count| {
            deployment.tell(service, u32::try_from(count).unwrap_or(0));
            Ok(())
        });
        exposition::show(object, &outcome.status, service);
        let decision = Decision::of(at, service, &lives, &self.sampler, &outcome);
        self.settings.object.status = outcome.status;
        decision
    }
}
