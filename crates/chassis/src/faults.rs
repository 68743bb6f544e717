//! Faults on purpose: latency, errors, hangs and CPU burn, per route, switched on and off on the admin port.
//!
//! Experiments and runbooks use them; they exist only when the service was started with `FAULTS=on`.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{MatchedPath, Query, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::{Error, Problem};

/// The route that stands for the service's database.
pub const DATABASE: &str = "database";
/// The most memory that is held, in mebibytes.
const MAX_MEMORY_MB: usize = 4096;
/// The most workers; more would never be busy.
const MAX_WORKERS: usize = 10_000;
/// How many faults can stand at once.
const MAX_FAULTS: usize = 64;
/// The longest latency and CPU burn, so that a typing error does not outlive the day.
const MAX_MILLIS: u64 = 60_000;

/// What goes wrong on one route. Parts that are left out do nothing; those given act in this order: `cpu_ms`,
/// `latency_ms`, `hang`, `error_ratio`. With `workers` the first three become a service time: capacity is `workers` requests in
/// each `cpu_ms` and `latency_ms`, whatever the machine could do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// Route template such as `/products/{id}`, for gRPC `/package.Service/Method`, for events their type such as
    /// `order.placed`; empty for every route; [`DATABASE`] for every operation on the service's database.
    pub route: String,
    /// How many requests these milliseconds pass for at once; the others wait for their turn, in the order they came. 0: for all.
    pub workers: usize,
    /// Milliseconds of busy work before the handler runs.
    pub cpu_ms: u64,
    /// Milliseconds of waiting before the handler runs.
    pub latency_ms: u64,
    /// Never answer.
    pub hang: bool,
    /// Mebibytes held until the fault is cleared. Applies to the whole process.
    pub memory_mb: usize,
    /// The share of requests, 0 to 1, answered with an error instead of by the handler.
    pub error_ratio: f64,
    /// The status of that error; 0 is 500. In gRPC, 503 is UNAVAILABLE and any other INTERNAL; of an event only 0 makes sense.
    #[serde(skip_serializing_if = "is_zero")]
    pub error_status: u16,
    /// Silent loss of telemetry, to prove that reconciliation notices. Applies to the whole process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry_loss: Option<TelemetryLoss>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_zero(status: &u16) -> bool {
    *status == 0
}

/// Loses one in so many items of one signal without counting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryLoss {
    /// Which signal.
    pub signal: telemetry::loss::Signal,
    /// One in how many; 0 ends the loss.
    pub one_in: u32,
}

impl Fault {
    fn check(&self) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&self.error_ratio) {
            return Err(Error::Unprocessable(
                "error_ratio must be from 0 to 1".into(),
            ));
        }
        if self.cpu_ms > MAX_MILLIS || self.latency_ms > MAX_MILLIS {
            let text = format!("cpu_ms and latency_ms must be at most {MAX_MILLIS}");
            return Err(Error::Unprocessable(text));
        }
        if self.workers > MAX_WORKERS {
            let text = format!("workers must be at most {MAX_WORKERS}");
            return Err(Error::Unprocessable(text));
        }
        if self.memory_mb > MAX_MEMORY_MB {
            let text = format!("memory_mb must be at most {MAX_MEMORY_MB}");
            return Err(Error::Unprocessable(text));
        }
        if self.error_status != 0 && !(500..600).contains(&self.error_status) {
            return Err(Error::Unprocessable(
                "error_status must be from 500 to 599".into(),
            ));
        }
        let whole = self.telemetry_loss.is_some() || self.memory_mb > 0;
        if whole && !self.route.is_empty() {
            let text = "telemetry_loss and memory_mb apply to the whole process: omit the route";
            return Err(Error::Unprocessable(text.into()));
        }
        Ok(())
    }
}

/// A fault in force, and its workers who have nothing to do.
#[derive(Debug, Clone)]
struct Standing {
    fault: Fault,
    idle: Option<Arc<Semaphore>>,
}

impl From<Fault> for Standing {
    fn from(fault: Fault) -> Self {
        let idle = (fault.workers > 0).then(|| Arc::new(Semaphore::new(fault.workers)));
        Self { fault, idle }
    }
}

/// The faults in force; cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<RwLock<Vec<Standing>>>);

impl Faults {
    fn list(&self) -> Vec<Fault> {
        let faults = self.0.read().unwrap_or_else(PoisonError::into_inner);
        faults.iter().map(|it| it.fault.clone()).collect()
    }

    fn find(&self, matched: Option<&str>, path: &str) -> Option<Standing> {
        let own = |it: &str| it == path || matched.is_some_and(|route| it == route);
        self.of(own).or_else(|| self.of(str::is_empty))
    }

    /// The first whose route is meant.
    fn of(&self, meant: impl Fn(&str) -> bool) -> Option<Standing> {
        let faults = self.0.read().unwrap_or_else(PoisonError::into_inner);
        faults.iter().find(|it| meant(&it.fault.route)).cloned()
    }

    fn set(&self, fault: Fault) -> Result<(), Error> {
        fault.check()?;
        let mut faults = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let replaced = faults.iter().position(|it| it.fault.route == fault.route);
        if replaced.is_none() && faults.len() == MAX_FAULTS {
            let text = format!("{MAX_FAULTS} faults are set already; clear some first");
            return Err(Error::Unprocessable(text));
        }
        let replaced = replaced.map(|it| faults.remove(it).fault);
        let held = replaced.as_ref().is_some_and(|it| it.memory_mb > 0);
        if let Some(loss) = replaced.and_then(|it| it.telemetry_loss) {
            telemetry::loss::one_in(loss.signal, 0);
        }
        if let Some(loss) = fault.telemetry_loss {
            telemetry::loss::one_in(loss.signal, loss.one_in);
        }
        if held || fault.memory_mb > 0 {
            hold(fault.memory_mb);
        }
        tracing::warn!(fault = format!("{fault:?}"), "fault set");
        faults.push(fault.into());
        Ok(())
    }

    /// Clears the faults of one route, or all.
    fn clear(&self, route: Option<&str>) {
        let mut faults = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (gone, kept) = std::mem::take(&mut *faults)
            .into_iter()
            .partition::<Vec<_>, _>(|it| route.is_none_or(|route| it.fault.route == route));
        *faults = kept;
        for loss in gone.iter().filter_map(|it| it.fault.telemetry_loss) {
            telemetry::loss::one_in(loss.signal, 0);
        }
        if gone.iter().any(|it| it.fault.memory_mb > 0) {
            hold(0);
        }
        tracing::warn!(cleared = gone.len(), "faults cleared");
    }
}

/// `GET`, `PUT` and `DELETE /faults`.
pub(crate) fn router(faults: Faults) -> Router {
    Router::new()
        .route("/faults", get(list).put(set).delete(clear))
        .with_state(faults)
}

async fn list(State(faults): State<Faults>) -> Json<Vec<Fault>> {
    Json(faults.list())
}

async fn set(
    State(faults): State<Faults>,
    Json(fault): Json<Fault>,
) -> Result<Json<Vec<Fault>>, Error> {
    faults.set(fault)?;
    Ok(Json(faults.list()))
}

#[derive(Deserialize)]
struct Which {
    route: Option<String>,
}

async fn clear(State(faults): State<Faults>, Query(which): Query<Which>) -> Json<Vec<Fault>> {
    faults.clear(which.route.as_deref());
    Json(faults.list())
}

impl Faults {
    /// Lets the faults of the request's route happen to it.
    pub(crate) async fn inject(&self, request: Request, next: Next) -> Response {
        let matched = request.extensions().get::<MatchedPath>();
        let fault = self.find(matched.map(MatchedPath::as_str), request.uri().path());
        match fault {
            Some(fault) if fault.happens().await => fault.fault.answer(telemetry::is_rpc(&request)),
            _ => next.run(request).await,
        }
    }
}

impl Fault {
    /// The error that it is about.
    fn answer(&self, grpc: bool) -> Response {
        let status = StatusCode::from_u16(self.error_status).ok();
        let status = status.filter(StatusCode::is_server_error);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match (grpc, status) {
            (true, StatusCode::SERVICE_UNAVAILABLE) => {
                tonic::Status::unavailable("injected fault").into_http()
            }
            (true, _) => tonic::Status::internal("injected fault").into_http(),
            (false, _) => Problem::new(status, "injected fault".into()).into_response(),
        }
    }
}

impl Standing {
    /// Lets time pass as the fault says, and says whether an error comes of it.
    async fn happens(&self) -> bool {
        let Self { fault, idle } = self;
        // It is idle again when this request goes on, or is given up.
        let _worker = match idle {
            Some(idle) => idle.acquire().await.ok(),
            None => None,
        };
        burn(fault.cpu_ms).await;
        if fault.latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(fault.latency_ms)).await;
        }
        if fault.hang {
            std::future::pending::<()>().await;
        }
        fastrand::f64() < fault.error_ratio
    }
}

impl Faults {
    /// Lets the faults of this type of event happen to one delivery.
    pub async fn strike(&self, kind: &str) -> Result<(), Error> {
        match self.find(None, kind) {
            Some(fault) if fault.happens().await => {
                Err(Error::Internal(anyhow::anyhow!("injected fault")))
            }
            _ => Ok(()),
        }
    }
}

impl Faults {
    /// Lets the fault of `place`, such as [`DATABASE`], happen; one of every route is none of its own.
    pub async fn strike_at(&self, place: &str) -> Result<(), Error> {
        match self.of(|it| it == place) {
            Some(fault) if fault.happens().await => {
                Err(Error::Internal(anyhow::anyhow!("injected fault")))
            }
            _ => Ok(()),
        }
    }
}

/// What is held on purpose.
static HELD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Holds so much memory, every page of it touched, and gives back what was held before.
fn hold(mebibytes: usize) {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    *held = Vec::new();
    *held = vec![1; mebibytes * 1024 * 1024];
}

/// Keeps one core busy.
async fn burn(millis: u64) {
    if millis == 0 {
        return;
    }
    let spin = move || {
        let end = Instant::now() + Duration::from_millis(millis);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    };
    if tokio::task::spawn_blocking(spin).await.is_err() {
        tracing::warn!("CPU fault cancelled: request ended");
    }
}

#[cfg(test)]
mod tests;
