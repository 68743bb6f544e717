//! The autoscaler of an arm that has one, and which replicas there were.

use std::{convert::Infallible, path::Path};

use tokio::time::Instant;

use crate::{
    autoscaler::{Autoscaler, Decision, Journal, Settings},
    deployment::Deployment,
    experiment::Arm,
    measurement::Replicas,
};

/// What scales the shop of an arm, until its first load is over.
pub(super) struct Scaling<'a> {
    dir: &'a Path,
    scaler: Option<Autoscaler>,
    decisions: Vec<Decision>,
    /// When the first arrival was due.
    began: Option<Instant>,
}

impl<'a> Scaling<'a> {
    pub(super) fn of(arm: &Arm, dir: &'a Path) -> anyhow::Result<Self> {
        let settings = arm.shop.autoscaled.map(Settings::of_search).transpose()?;
        Ok(Self {
            dir,
            scaler: settings.map(Autoscaler::new),
            decisions: Vec::new(),
            began: None,
        })
    }

    /// Scales for as long as it is let, and writes down why. The first arrival was due when it `began`.
    pub(super) async fn go_on(
        &mut self,
        deployment: &Deployment,
        began: Instant,
    ) -> anyhow::Result<Infallible> {
        self.began.get_or_insert(began);
        let Some(scaler) = self.scaler.take() else {
            return std::future::pending().await;
        };
        let mut journal = Journal::create(self.dir)?;
        let hand_on = |decision: Decision| {
            journal.write(&decision)?;
            self.decisions.push(decision);
            Ok(())
        };
        scaler.run(deployment, hand_on).await
    }

    /// Which replicas there were; nothing if the load never began.
    pub(super) fn replicas(self, deployment: &Deployment) -> Replicas {
        let lives = deployment.lives();
        let began = self.began.map(Instant::into_std);
        began.map_or_else(Replicas::default, |began| {
            Replicas::of(&lives, self.decisions, began)
        })
    }
}
