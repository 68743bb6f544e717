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
    App, Config, Limits, admin,
    faults::Faults,
    layers,
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
    life: Arc<Life>,
}

/// What the parts of a process have in common: they end together.
#[derive(Default)]
struct Life {
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

    /// The host of a part, such as a service that runs in one process with others. Its checks are asked for under its `name`, and its
    /// admin routes are below that, with its faults where this service takes any. Its background work ends with that of this host.
    #[must_use]
    pub fn part(&self, name: &'static str, config: &Config) -> Self {
        let part = Self(Arc::new(Shared {
            life: Arc::clone(&self.0.life),
            ..Shared::default()
        }));
        let checked = part.clone();
        self.check(name, move || checked.clone().all_well());
        let refreshed = part.clone();
        self.gauge(move || refreshed.clone().refresh_own_gauges());
        self.admin(Router::new().nest(&format!("/{name}"), admin::own(config, &part)));
        part
    }

    /// `app` as the service serves it, for who is in this process: with this host's faults, the limits of `config`, and observed.
    pub fn routes(&self, app: impl Into<App>, config: &Config) -> Router {
        layers::wrap(app.into(), Limits::from(config), self.faults())
    }

    /// Runs `work` beside the requests. Its token is cancelled once the last request has been answered, and it is waited for.
    /// Work that ends or panics before that ends the whole service, so that whoever supervises it sees the failure.
    pub fn spawn<F, R>(&self, name: &'static str, work: F)
    where
        F: FnOnce(CancellationToken) -> R,
        R: Future<Output = ()> + Send + 'static,
    {
        let work = tokio::spawn(work(self.0.life.work_over.clone()));
        let life = Arc::clone(&self.0.life);
        self.0.life.tasks.spawn(async move {
            let ended = work.await;
            if !life.work_over.is_cancelled() {
                let error = ended.err().map(|it| it.to_string()).unwrap_or_default();
                tracing::error!(name, error, "background task ended unexpectedly");
                // The first to fail is the one to tell of.
                let _ = life.failed.set(name);
                life.stop.cancel();
            }
        });
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Cancelled when the service is to end.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.life.stop
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.0.readiness.enter(stage);
    }

    /// Ends background work, waiting for it no longer than `drain`.
    pub async fn finish_work(&self, drain: Duration) {
        let life = &self.0.life;
        life.work_over.cancel();
        life.tasks.close();
        if tokio::time::timeout(drain, life.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(?drain, "background tasks cancelled: drain timeout exceeded");
        }
    }

    /// The background work that failed, if any did.
    pub fn failure(&self) -> Option<&'static str> {
        self.0.life.failed.get().copied()
    }

    pub(crate) async fn refresh_gauges(&self) {
        let all = tokio::time::timeout(GAUGE_TIMEOUT, self.clone().refresh_own_gauges());
        // The report has a gauge too, and a limit of its own.
        let (refreshed, _) = tokio::join!(all, self.0.readiness.report());
        if refreshed.is_err() {
            tracing::warn!("gauges not refreshed: timeout exceeded");
        }
    }

    async fn refresh_own_gauges(self) {
        let gauges = {
            let gauges = self.0.gauges.lock().unwrap_or_else(PoisonError::into_inner);
            gauges.clone()
        };
        join_all(gauges.iter().map(|refresh| refresh())).await;
    }

    /// Whether every check of this part answers well, or those that do not.
    async fn all_well(self) -> Result<(), String> {
        self.0.readiness.all_well().await
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

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request, routing::get};
    use clap::Parser as _;
    use http_body_util::BodyExt as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        chassis: Config,
    }

    async fn text(routes: Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let Ok(answer) = routes.oneshot(request).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn parts_have_checks_admin_routes_and_faults_of_their_own() {
        let config = Flags::parse_from(["shop", "--faults=on"]).chassis;
        let whole = Host::default();
        let parts = ["orders", "payments"].map(|it| (it, whole.part(it, &config)));
        for (name, part) in parts.clone() {
            part.admin(Router::new().route("/audit", get(async move || name)));
            part.check("database", || std::future::ready(Ok(())));
        }
        parts[1].1.check("broker", async || Err("away".to_owned()));
        let admin = || admin::router(&config, Router::new(), &whole);
        assert_eq!(text(admin(), "/orders/audit").await, (200, "orders".into()));
        assert_eq!(text(admin(), "/payments/audit").await.1, "payments");
        assert_eq!(text(admin(), "/audit").await.0, 404);
        let (status, report) = text(admin(), "/readyz").await;
        assert_eq!(status, 503);
        assert!(report.contains(r#""orders":"ok""#), "{report}");
        assert!(report.contains(r#""payments":"broker: away""#), "{report}");

        let fault = r#"{"error_ratio":1.0}"#;
        let set = Request::put("/orders/faults").header("content-type", "application/json");
        let Ok(answer) = admin().oneshot(set.body(Body::from(fault)).unwrap()).await;
        assert_eq!(answer.status(), 200);
        let asked = async |part: &Host| {
            let routes = Router::new().route("/", get(async || "well"));
            text(part.routes(routes, &config), "/").await.0
        };
        assert_eq!(asked(&parts[0].1).await, 500, "its own fault");
        assert_eq!(asked(&parts[1].1).await, 200, "and nobody else's");
        assert_eq!(asked(&whole).await, 200);
    }

    #[tokio::test]
    async fn work_of_a_part_that_ends_ends_the_whole() {
        let config = Flags::parse_from(["shop"]).chassis;
        let whole = Host::default();
        let part = whole.part("search", &config);
        part.spawn("follows", |_| std::future::ready(()));
        whole.stop().cancelled().await;
        assert_eq!(whole.failure(), Some("follows"));
        whole.finish_work(Duration::from_secs(1)).await;
    }
}
