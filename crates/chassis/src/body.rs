//! How long a handler has waited for the body of its request, and whether it has come: that time is the client's.

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
    complete: bool,
}

impl Waited {
    fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            self.before += since.elapsed();
        }
    }
}

impl Waiting {
    /// Counts the time that `body` is waited for.
    pub(crate) fn watch(&self, body: Body) -> Body {
        Body::new(Watched {
            body,
            waiting: self.clone(),
        })
    }

    /// How long a body was waited for that has not come; nothing where it is there.
    pub(crate) fn in_vain(&self) -> Duration {
        let waited = self.lock();
        if waited.complete {
            return Duration::ZERO;
        }
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
        match &frame {
            Poll::Pending => _ = waited.since.get_or_insert_with(Instant::now),
            Poll::Ready(frame) => {
                waited.stop();
                waited.complete = frame.is_none() || self.body.is_end_stream();
            }
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

impl Drop for Watched {
    /// What a handler does without the rest of a body is its own time.
    fn drop(&mut self) {
        self.waiting.lock().stop();
    }
}
