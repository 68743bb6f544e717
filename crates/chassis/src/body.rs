//! How long a handler has waited for the body of its request: that time is the client's.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// The time one request has been waited for; cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<Waited>>);

#[derive(Debug, Default)]
struct Waited {
    before: Duration,
    since: Option<Instant>,
}

impl Waiting {
    /// Counts the time that `body` is waited for.
    pub(crate) fn watch(&self, body: Body) -> Body {
        Body::new(Watched {
            body,
            waiting: self.clone(),
        })
    }

    /// How long that is so far.
    pub(crate) fn so_far(&self) -> Duration {
        let waited = self.lock();
        waited.before + waited.since.map_or(Duration::ZERO, |it| it.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watched {
    body: Body,
    waiting: Waiting,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let mut waited = self.waiting.lock();
        if frame.is_pending() {
            waited.since.get_or_insert_with(Instant::now);
        } else if let Some(since) = waited.since.take() {
            waited.before += since.elapsed();
        }
        drop(waited);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
