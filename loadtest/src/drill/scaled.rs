//! Search with an autoscaler, on the clock of drills.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::{
    autoscaler::{self, Autoscaler, Settings},
    deployment::{Deployment, Service},
    experiments::CAPACITY,
    timeline,
};

/// By how much its time is divided, as all time of drills.
const CLOCK: f64 = 60.0;

/// The autoscaler of search, if there is one.
#[derive(Default)]
pub(super) struct Scaled(Option<JoinHandle<()>>);

impl Scaled {
    /// Scales search from now on; a `blind` autoscaler has a metric that nobody measures.
    pub(super) async fn begin(
        &mut self,
        deployment: &Arc<Deployment>,
        blind: bool,
    ) -> anyhow::Result<()> {
        self.let_go().await;
        let mut settings = Settings::of_search(CLOCK)?;
        if blind {
            settings.object.spec.metrics.truncate(1);
            for pods in settings
                .object
                .spec
                .metrics
                .iter_mut()
                .filter_map(|it| it.pods.as_mut())
            {
                "queue_length".clone_into(&mut pods.metric.name);
            }
        }
        timeline::set_fault(deployment, Service::Search, &CAPACITY.into()).await?;
        deployment.introduce_scaler(Some(autoscaler::serve().await?))?;
        let deployment = Arc::clone(deployment);
        self.0 = Some(tokio::spawn(async move {
            let scaler = Autoscaler::new(settings);
            // Nobody keeps its decisions, so nothing of it can fail.
            let _ = scaler.run(&deployment, |_| Ok(())).await;
        }));
        Ok(())
    }

    /// Ends it, and leaves search as it was.
    pub(super) async fn end(&mut self, deployment: &Deployment) -> anyhow::Result<()> {
        self.let_go().await;
        deployment.introduce_scaler(None)?;
        timeline::clear_faults(deployment, Service::Search).await?;
        deployment.scale(Service::Search, 1).await
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
