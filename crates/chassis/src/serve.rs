//! Accepting connections, within limits, until told to stop.

mod answer;
mod closed;
mod connection;
mod pace;
mod peers;
mod socket;
mod streams;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request, response::Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use self::{
    answer::Answer,
    closed::Reason,
    connection::{Connection, serve_http1, serve_http2},
    peers::Peers,
    socket::Socket,
    streams::Streams,
};
pub use peers::counted_as;

use crate::head;

/// How long a client may take to say what it speaks, and to send the head of a request, unless the [`Door`] lets connections be
/// idle for longer.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client of a service should keep a connection that is idle. Whoever keeps it for as long as the service does will
/// one day send a request just when the service closes it. Such a request gets no answer, and must not be sent again unless it
/// is idempotent (RFC 9112, section 9.3.1).
pub const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(HEAD_TIMEOUT.as_secs() / 2);
/// The longest head that hyper reads, in bytes, and the most that it keeps of an answer which its client has not read. By default
/// it takes twelve times as much.
const BUFFER: u32 = 32 * 1024;
/// What a client sends first when it means HTTP/2 (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often a client that has sent only a part of that is looked at again.
const PREFACE_POLL: Duration = Duration::from_millis(50);
/// After a failed accept (no file descriptors left, say) others get a chance first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who may come in through a listener.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// How many connections there may be; further ones wait in the listen queue.
    pub connections: usize,
    /// How many of one address, as [`counted_as`] says; further ones are closed.
    pub per_peer: usize,
    /// How many requests one HTTP/2 connection may have in flight.
    pub streams: u32,
    /// The longest head of a request, in bytes; a longer one is answered 431.
    pub head: usize,
    /// How long a connection may be idle, and over HTTP/1.1 also how long a head may take: hyper has one clock for both.
    pub idle: Duration,
}

impl Door {
    /// For callers of ours: none of them is limited for itself.
    pub fn inner(connections: usize) -> Self {
        Self {
            connections,
            per_peer: connections,
            streams: 1024,
            head: BUFFER as usize,
            idle: HEAD_TIMEOUT,
        }
    }
}

/// Serves HTTP/1.1 and HTTP/2 until `stop`, then waits for requests in flight for at most `drain`.
///
/// axum's own `serve` has no limit on connections, on the time for a request's head, nor on that for which a client may not
/// read; this has all of them.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    door: Door,
    stop: CancellationToken,
    drain: Duration,
) {
    closed::register();
    let permits = Arc::new(Semaphore::new(door.connections));
    let peers = Peers::new(door.per_peer);
    let connections = TaskTracker::new();
    loop {
        let accept = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            let permit = permit.expect("the semaphore is never closed");
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            it = accept => it,
        };
        let (stream, peer) = match accepted {
            Ok(it) => it,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = peers.admit(peer.ip()) else {
            Reason::PeerLimit.count();
            continue;
        };
        let connection = serve_connection(stream, peer, app.clone(), door, stop.clone());
        connections.spawn(async move {
            connection.await;
            drop((permit, place));
        });
    }
    drop(listener);
    connections.close();
    let in_flight = connections.len();
    if tokio::time::timeout(drain, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            ?drain,
            in_flight,
            "requests cancelled: drain timeout exceeded"
        );
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    door: Door,
    stop: CancellationToken,
) {
    let version = tokio::select! {
        it = version(&stream) => it,
        () = stop.cancelled() => return,
    };
    // Small answers must not wait for an acknowledgement (Nagle's algorithm).
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY not set");
    }
    let shared = Connection::new();
    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&shared)));
    let answering = Arc::clone(&shared);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        head::check(&mut request, door.head);
        let answer = app.clone().oneshot(request);
        let connection = Arc::clone(&answering);
        async move {
            let answer: Result<Response, Infallible> = answer.await;
            answer.map(|it| it.map(|body| Answer::new(body, connection)))
        }
    });
    let ended = match version {
        Version::Http1 => {
            let connection = http1(door).serve_connection(socket, service);
            serve_http1(connection, &stop).await
        }
        Version::Http2 => {
            let streams = Streams(Arc::clone(&shared));
            let connection = http2(streams, door).serve_connection(socket, service);
            serve_http2(connection, &shared, door.idle, HEAD_TIMEOUT, &stop).await
        }
        Version::None => return Reason::NoProtocol.count(),
        Version::Gone => return,
    };
    // Errors are the client's doing: it went away, does not read or does not speak HTTP.
    let Err(error) = ended else { return };
    if shared.stalled() {
        Reason::Stalled.count();
    } else if let Some(reason) = Reason::of(&error) {
        reason.count();
    }
    tracing::debug!(%error, "connection ended early");
}

fn http1(door: Door) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(door.idle)
        .max_buf_size(BUFFER as usize);
    builder
}

fn http2(streams: Streams, door: Door) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .max_concurrent_streams(door.streams)
        .max_header_list_size(BUFFER);
    builder
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
    /// It did not say in time.
    None,
    /// It has gone.
    Gone,
}

/// Waits until it is clear which version of HTTP the client speaks. hyper's own limit on the time for a head begins only then,
/// so a client that says nothing would keep its place for ever.
async fn version(stream: &TcpStream) -> Version {
    let clear = async {
        let mut start = [0; HTTP2_PREFACE.len()];
        loop {
            let length = stream.peek(&mut start).await.unwrap_or(0);
            if length == 0 {
                return Version::Gone;
            }
            if !HTTP2_PREFACE.starts_with(&start[..length]) {
                return Version::Http1;
            }
            if length == start.len() {
                return Version::Http2;
            }
            tokio::time::sleep(PREFACE_POLL).await;
        }
    };
    tokio::time::timeout(HEAD_TIMEOUT, clear)
        .await
        .unwrap_or(Version::None)
}
