//! What a request holds that has begun.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::response::Response;
use tokio::time::Instant;

use super::Gate;

tokio::task_local! {
    static PLACE: Arc<Place>;
}

/// Waits for `future`, which is work of another service, and holds no place in this one meanwhile. That time does not count as the
/// request's own. Outside of a request it only waits.
pub async fn elsewhere<F: Future>(future: F) -> F::Output {
    let _away = PLACE.try_with(|it| Away::from(Arc::clone(it))).ok();
    future.await
}

/// How a request ended that had begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was answered.
    Answered,
    /// With an error, which may have come sooner or later than an answer would.
    Failed,
    /// Its time was over, or nobody waited for the answer any more.
    GivenUp,
}

/// A place of one request that has begun; dropped, it is free.
pub(super) struct Place {
    gate: Gate,
    began: Instant,
    /// How many were under way when it began, itself included.
    beside: usize,
    end: Mutex<End>,
    absence: Mutex<Absence>,
}

/// How long a request has been waiting for other services.
#[derive(Debug, Default)]
struct Absence {
    /// For how many of them at once.
    calls: usize,
    since: Option<Instant>,
    before: Duration,
}

impl Place {
    pub(super) fn new(gate: Gate, began: Instant, beside: usize) -> Self {
        Self {
            gate,
            began,
            beside,
            end: Mutex::new(End::GivenUp),
            absence: Mutex::default(),
        }
    }

    /// Answers a request at this place.
    pub(super) async fn serve(self, answer: impl Future<Output = Response>) -> Response {
        let place = Arc::new(self);
        let response = PLACE.scope(Arc::clone(&place), answer).await;
        // How soon a request is refused says nothing of how long an answer takes.
        let answered = response.status().is_success() && !refused(&response);
        let end = if answered { End::Answered } else { End::Failed };
        *place.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
        response
    }

    fn absence(&self) -> MutexGuard<'_, Absence> {
        self.absence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a gRPC answer, which is 200 in any case, has the status of an error in its headers.
fn refused(response: &Response) -> bool {
    let status = response.headers().get("grpc-status");
    status.is_some_and(|it| it != "0")
}

impl Drop for Place {
    fn drop(&mut self) {
        let own = self.began.elapsed().saturating_sub(self.absence().before);
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        self.gate.leave(end, own, self.beside);
    }
}

/// One wait for another service.
struct Away(Arc<Place>);

impl From<Arc<Place>> for Away {
    fn from(place: Arc<Place>) -> Self {
        let mut absence = place.absence();
        absence.calls += 1;
        if absence.since.is_none() {
            absence.since = Some(Instant::now());
            place.gate.pause();
        }
        drop(absence);
        Self(place)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let mut absence = self.0.absence();
        absence.calls -= 1;
        if absence.calls == 0
            && let Some(since) = absence.since.take()
        {
            absence.before += since.elapsed();
            self.0.gate.resume();
        }
    }
}
