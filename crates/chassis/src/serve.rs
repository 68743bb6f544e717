//! Accepting connections, within limits, until told to stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::head;

/// How long a client may take to send the head of a request, and so how long a connection may be idle before the next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client of a service, or a proxy before one, should keep a connection that is idle. Whoever keeps it for as long
/// as the service does will one day send a request just when the service closes it. Such a request gets no answer, and must
/// not be sent again unless it is idempotent (RFC 9112, section 9.3.1).
pub const CLIENT_IDLE_TIMEOUT: Duration = Duration::from_secs(HEAD_TIMEOUT.as_secs() / 2);
/// How many requests one HTTP/2 connection may have in flight.
const MAX_STREAMS: u32 = 1024;
/// What a client sends first when it means HTTP/2 (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often a client that has sent only a part of that is looked at again.
const PREFACE_POLL: Duration = Duration::from_millis(50);
/// After a failed accept (no file descriptors left, say) others get a chance first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 and HTTP/2 until `stop`, then waits for requests in flight for at most `drain`.
///
/// axum's own `serve` has no limit on connections nor on the time for a request's head; this has both.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    max_connections: usize,
    stop: CancellationToken,
    drain: Duration,
) {
    let permits = Arc::new(Semaphore::new(max_connections));
    let connections = GracefulShutdown::new();
    let builder = builder();
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
        let connection = serve_connection(
            builder.clone(),
            stream,
            peer,
            app.clone(),
            connections.watcher(),
            stop.clone(),
        );
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let in_flight = connections.count();
    if tokio::time::timeout(drain, connections.shutdown())
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

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

async fn serve_connection(
    builder: Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    watcher: Watcher,
    stop: CancellationToken,
) {
    let speaks = tokio::select! {
        it = speaks_http(&stream) => it,
        () = stop.cancelled() => false,
    };
    if !speaks {
        return;
    }
    // Small answers must not wait for an acknowledgement (Nagle's algorithm).
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY not set");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        head::check(&mut request);
        app.clone().oneshot(request)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // Errors are the client's doing: it went away or does not speak HTTP.
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error, "connection ended early");
    }
}

/// Waits until it is clear which version of HTTP the client speaks, and says whether that was soon enough. hyper's own
/// limit on the time for a head begins only then, so a client that says nothing would keep its place for ever.
async fn speaks_http(stream: &TcpStream) -> bool {
    let clear = async {
        let mut start = [0; HTTP2_PREFACE.len()];
        loop {
            let length = stream.peek(&mut start).await.unwrap_or(0);
            if length == 0 {
                // It has gone.
                return false;
            }
            if length == start.len() || !HTTP2_PREFACE.starts_with(&start[..length]) {
                return true;
            }
            tokio::time::sleep(PREFACE_POLL).await;
        }
    };
    tokio::time::timeout(HEAD_TIMEOUT, clear)
        .await
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_say_what_it_speaks_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (said, speaks) in [
            (&b"GET / HTTP/1.1\r\n"[..], true),
            (HTTP2_PREFACE, true),
            (b"", false),
            (b"PRI * HT", false),
        ] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(said).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            if !said.is_empty() {
                // With no timer set, the paused clock cannot run ahead of the network.
                stream.readable().await.unwrap();
            }
            assert_eq!(speaks_http(&stream).await, speaks, "{said:?}");
        }
    }
}
