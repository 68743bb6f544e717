//! One connection: how long it may be idle, and why it was closed.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use hyper_util::server::graceful::GracefulConnection;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::closed::Reason;

/// What the socket, the streams and the answers of a connection tell each other.
#[derive(Debug)]
pub(super) struct Connection {
    busy: Mutex<Busy>,
    stalled: AtomicBool,
}

#[derive(Debug)]
struct Busy {
    streams: usize,
    /// When the last stream ended.
    since: Instant,
}

impl Connection {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            busy: Mutex::new(Busy {
                streams: 0,
                since: Instant::now(),
            }),
            stalled: AtomicBool::new(false),
        })
    }

    /// The client does not read.
    pub(super) fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    pub(super) fn stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Counts a stream until what this returns is dropped.
    pub(super) fn run_stream(self: &Arc<Self>) -> Running {
        self.busy().streams += 1;
        Running(Arc::clone(self))
    }

    /// Returns when there has been no stream for so long.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let ends = {
                let busy = self.busy();
                let since = if busy.streams > 0 { now } else { busy.since };
                since + limit
            };
            if ends <= now {
                return;
            }
            tokio::time::sleep_until(ends).await;
        }
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that runs.
#[derive(Debug)]
pub(super) struct Running(Arc<Connection>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut busy = self.0.busy();
        busy.streams -= 1;
        busy.since = Instant::now();
    }
}

/// Serves a connection of HTTP/1.1 until it ends. hyper closes it itself when it is idle.
pub(super) async fn serve_http1<C>(connection: C, stop: &CancellationToken) -> Result<(), C::Error>
where
    C: GracefulConnection,
{
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stop.cancelled() => (),
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// Serves a connection of HTTP/2 until it ends or has been idle for `idle`, whatever PINGs it answers. Whoever does not take leave
/// within `leave` is left.
pub(super) async fn serve_http2<C>(
    connection: C,
    shared: &Connection,
    idle: Duration,
    leave: Duration,
    stop: &CancellationToken,
) -> Result<(), C::Error>
where
    C: GracefulConnection,
{
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shared.idle(idle) => Reason::Idle.count(),
        () = stop.cancelled() => (),
    }
    // Whatever is on its way is still served (GOAWAY twice, RFC 9113, section 6.8), ...
    connection.as_mut().graceful_shutdown();
    // ... and who does not take leave is left.
    let left = async {
        tokio::time::sleep(leave).await;
        shared.idle(leave).await;
    };
    tokio::select! {
        ended = connection => ended,
        () = left => Ok(()),
    }
}
