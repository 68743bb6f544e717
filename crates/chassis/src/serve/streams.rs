//! The streams of an HTTP/2 connection, each of which gives up a client that does not open its window.
//!
//! hyper runs each stream as a future of its own, and waits in it for the window for as long as the client likes. That future
//! is ours to run, so it is ours to end: h2 resets a stream that is dropped, and forgets what it was to send.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper::rt::Executor;
use tokio::time::{Duration, Instant, Sleep};

use super::{connection::Connection, pace::Pace};

/// How long a stream's window may stay closed.
const PATIENCE: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// The stream that the current future runs.
    static STREAM: Arc<Stream>;
}

/// One stream: what its answer and what runs it tell each other.
#[derive(Debug)]
pub(super) struct Stream {
    pace: Mutex<Pace>,
    stalled: AtomicBool,
}

impl Stream {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            pace: Mutex::new(Pace::new(PATIENCE)),
            stalled: AtomicBool::new(false),
        })
    }

    /// The stream that is being run; none over HTTP/1.1.
    pub(super) fn current() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    /// hyper has bytes to send, and asks for more when there is room for them.
    pub(super) fn wait(&self) {
        self.pace().wait(Instant::now());
    }

    /// There was room for so many bytes.
    pub(super) fn took(&self, bytes: usize) {
        self.pace().took(bytes, Instant::now());
    }

    /// Whether it was given up.
    pub(super) fn stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the streams of one connection, and counts them.
#[derive(Debug, Clone)]
pub(super) struct Streams(pub(super) Arc<Connection>);

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let running = self.0.run_stream();
        let stream = Stream::new();
        tokio::spawn(async move {
            Guarded {
                future: STREAM.scope(Arc::clone(&stream), future),
                stream,
                timer: None,
            }
            .await;
            drop(running);
        });
    }
}

pin_project_lite::pin_project! {
    /// A stream's future, until it or patience ends.
    struct Guarded<F> {
        #[pin]
        future: F,
        stream: Arc<Stream>,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Guarded<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.future.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(ends) = this.stream.pace().ends() else {
            *this.timer = None;
            return Poll::Pending;
        };
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends)));
        if timer.deadline() != ends {
            timer.as_mut().reset(ends);
        }
        ready!(timer.as_mut().poll(cx));
        // The answer sees it when it is dropped with its future.
        this.stream.stalled.store(true, Ordering::Relaxed);
        Poll::Ready(())
    }
}
