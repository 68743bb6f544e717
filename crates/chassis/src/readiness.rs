//! Whether traffic should come here.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::future::{BoxFuture, join_all};
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;
use telemetry::names;
use tokio::time::timeout;

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

static READY: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Whether the service has started, is not draining and has all it needs, as the last probe or scrape found it";
    telemetry::register(names::SERVICE_READY, help, Gauge::default())
});

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    #[default]
    Starting,
    Ready,
    Draining,
}

#[derive(Default)]
struct State {
    stage: Stage,
    checks: Vec<(&'static str, Check)>,
}

/// What must work before a service says it is ready; cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<RwLock<State>>);

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

impl Readiness {
    /// Asks `check` whenever `/readyz` is asked; its error text is shown under `name`.
    pub(crate) fn check<F, R>(&self, name: &'static str, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state
            .checks
            .push((name, Arc::new(move || Box::pin(check()))));
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).stage = stage;
    }

    /// Asks every check.
    pub(crate) async fn report(&self) -> Report {
        let report = self.ask().await;
        READY.set(i64::from(report.ready()));
        report
    }

    /// Whether every check answers well, or in one text those that do not. It is not about the stage, which is that of the process.
    pub(crate) async fn all_well(&self) -> Result<(), String> {
        let checks = self.ask().await.checks;
        let failed = checks.into_iter().filter(|it| it.1 != "ok");
        let failed: Vec<_> = failed.map(|(name, it)| format!("{name}: {it}")).collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(failed.join("; "))
        }
    }

    async fn ask(&self) -> Report {
        let (stage, checks) = {
            let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
            (state.stage, state.checks.clone())
        };
        // All at once: however many do not answer, the probe waits for one timeout.
        let checks = checks.into_iter().map(async |(name, check)| {
            let result = match timeout(CHECK_TIMEOUT, check()).await {
                Ok(Ok(())) => "ok".to_owned(),
                Ok(Err(reason)) => reason,
                Err(_) => format!("no response within {CHECK_TIMEOUT:?}"),
            };
            (name, result)
        });
        Report {
            stage,
            checks: join_all(checks).await.into_iter().collect(),
        }
    }
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    stage: Stage,
    checks: BTreeMap<&'static str, String>,
}

impl Report {
    fn ready(&self) -> bool {
        self.stage == Stage::Ready && self.checks.values().all(|it| it == "ok")
    }
}

impl IntoResponse for Report {
    fn into_response(self) -> Response {
        let status = if self.ready() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (status, Json(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ready_means_started_and_every_check_answers_ok_in_time() {
        let readiness = Readiness::default();
        assert!(!readiness.report().await.ready(), "starting");
        readiness.enter(Stage::Ready);
        readiness.check("database", async || Ok(()));
        assert!(readiness.report().await.ready());
        assert_eq!(READY.get(), 1);
        readiness.check("broker", std::future::pending);
        readiness.check("search", std::future::pending);
        let asked = tokio::time::Instant::now();
        let report = readiness.report().await;
        assert_eq!(
            asked.elapsed(),
            CHECK_TIMEOUT,
            "checks do not wait for each other"
        );
        assert!(!report.ready());
        assert_eq!(READY.get(), 0);
        assert_eq!(report.checks["broker"], "no response within 1s");
        assert_eq!(report.checks["search"], "no response within 1s");
    }
}
