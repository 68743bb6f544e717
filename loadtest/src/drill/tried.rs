//! A version of search that is tried, and is bad.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::{
    autoscaler,
    canary::{self, Journal, Trial},
    deployment::{Deployment, Service},
    timeline::{FAULT, Fault},
};

/// What it calls its version.
const VERSION: &str = "bad";
/// It gets more than a tenth, because few search.
const TRIAL: Trial = Trial {
    service: Service::Search,
    version: Some(VERSION),
    share: 0.3,
    slow_s: 0.25,
};
const FAILS: Fault = Fault {
    route: "/search",
    error_ratio: 0.4,
    error_status: 503,
    ..FAULT
};

/// What tries it, if anything does.
#[derive(Default)]
pub(super) struct Canary(Option<JoinHandle<()>>);

impl Canary {
    /// Tries it from now on.
    pub(super) async fn begin(&mut self, deployment: &Arc<Deployment>) -> anyhow::Result<()> {
        self.let_go().await;
        deployment.introduce_scaler(Some(autoscaler::serve().await?))?;
        deployment.remember(Service::Search, Some(VERSION), &FAILS.into());
        let mut journal = Journal::open(&deployment.log("canary.log"))?;
        let deployment = Arc::clone(deployment);
        self.0 = Some(tokio::spawn(async move {
            // Whether it was rolled back is what the drill is about: its alert says so, or never does.
            let _ = canary::run(TRIAL, &deployment, |look| journal.write(look)).await;
        }));
        Ok(())
    }

    /// Ends it, and leaves search as it was.
    pub(super) async fn end(&mut self, deployment: &Deployment) -> anyhow::Result<()> {
        self.let_go().await;
        canary::take_away(Service::Search, deployment).await?;
        deployment.forget_faults(Service::Search);
        deployment.introduce_scaler(None)
    }

    /// Ends it.
    pub(super) async fn let_go(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
            // That it was aborted is known.
            let _ = task.await;
        }
    }
}
