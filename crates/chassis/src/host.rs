//! What the chassis offers to the service it runs, beside serving its routes.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::{Router, extract::Request, response::Response};
use futures_util::future::{BoxFuture, join_all};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{
    faults::Faults,
    readiness::{Readiness, Stage},
};

/// A gauge that takes longer is scraped as it was.
const GAUGE_TIMEOUT: Duration = Duration::from_millis(500);

type Gauge = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

#[derive(Default)]
struct Shared {
    readiness: Readiness,
    faults: Faults,
    admin: Mutex<Router>,
    gauges: Mutex<Vec<Gauge>>,
    tasks: TaskTracker,
    /// Background work ends when requests in flight have been answered.
    work_over: CancellationToken,
    /// The service ends.
    stop: CancellationToken,
    failed: OnceLock<&'static str>,
}

/// The running service; cloning shares it.
#[derive(Clone, Default)]
pub struct Host(Arc<Shared>);

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    /// Asks `check` whenever `/readyz` is asked; its error text is shown under `name`.
    pub fn check<F, R>(&self, name: &'static str, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.0.readiness.check(name, check);
    }

    /// Runs `refresh` before each scrape of `/metrics`, for gauges whose value has to be asked for.
    pub fn gauge<F, R>(&self, refresh: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let gauge: Gauge = Arc::new(move || Box::pin(refresh()));
        let mut gauges = self.0.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.push(gauge);
    }

    /// Serves `routes` on the admin port too.
    pub fn admin(&self, routes: Router) {
        let mut admin = self.0.admin.lock().unwrap_or_else(PoisonError::into_inner);
        *admin = std::mem::take(&mut *admin).merge(routes);
    }

    /// Runs `work` beside the requests. Its token is cancelled once the last request has been answered, and it is waited for.
    /// Work that ends or panics before that ends the whole service, so that whoever supervises it sees the failure.
    pub fn spawn<F, R>(&self, name: &'static str, work: F)
    where
        F: FnOnce(CancellationToken) -> R,
        R: Future<Output = ()> + Send + 'static,
    {
        let work = tokio::spawn(work(self.0.work_over.clone()));
        let host = self.clone();
        self.0.tasks.spawn(async move {
            let ended = work.await;
            if !host.0.work_over.is_cancelled() {
                let error = ended.err().map(|it| it.to_string()).unwrap_or_default();
                tracing::error!(name, error, "background task ended unexpectedly");
                // The first to fail is the one to tell of.
                let _ = host.0.failed.set(name);
                host.0.stop.cancel();
            }
        });
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Cancelled when the service is to end.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.0.readiness.enter(stage);
    }

    /// Ends background work, waiting for it no longer than `drain`.
    pub async fn finish_work(&self, drain: Duration) {
        self.0.work_over.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(drain, self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(?drain, "background tasks cancelled: drain timeout exceeded");
        }
    }

    /// The background work that failed, if any did.
    pub fn failure(&self) -> Option<&'static str> {
        self.0.failed.get().copied()
    }

    pub(crate) async fn refresh_gauges(&self) {
        let gauges = self
            .0
            .gauges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let all = join_all(gauges.iter().map(|refresh| refresh()));
        let all = tokio::time::timeout(GAUGE_TIMEOUT, all);
        // The report has a gauge too, and a limit of its own.
        let (refreshed, _) = tokio::join!(all, self.0.readiness.report());
        if refreshed.is_err() {
            tracing::warn!("gauges not refreshed: timeout exceeded");
        }
    }

    /// Hands a request to the service's own admin routes.
    pub(crate) async fn serve_admin(self, request: Request) -> Response {
        let routes = {
            let admin = self.0.admin.lock().unwrap_or_else(PoisonError::into_inner);
            admin.clone()
        };
        let Ok(response) = routes.oneshot(request).await;
        response
    }
}
