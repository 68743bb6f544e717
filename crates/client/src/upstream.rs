//! Calling another service: one attempt per request on a live replica, over HTTP or gRPC, within the deadline.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{HeaderMap, Method, Request, Response, Uri, Version, request, uri::PathAndQuery};
use bytes::Bytes;
use chassis::{CLIENT_IDLE_TIMEOUT, Error, Host, deadline};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Collected, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use telemetry::{ClientCall, Server};
use tokio::time::Instant;

use crate::{Address, discovery, replicas::Balancer};

/// How many replicas are tried when connections are refused. Nothing was sent then, so trying again is always safe.
const MAX_CONNECTS: usize = 3;
/// The longest request body that goes upstream; it is held in memory.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// The longest a connection may take, unless the address says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Idle connections kept per replica, unless the address says otherwise.
const MAX_IDLE: usize = 128;

/// The longest answer, in bytes, which is held in memory: more than a page of 100 products, whose descriptions have 4,000
/// characters each.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How often a replica that owes answers over HTTP/2 is asked whether it is still there, ...
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// ... and how long it may take to say so. Its connection is given up then: without that, calls would go to a host that has
/// vanished until the system gives up, 15 minutes later.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// The body of an upstream's answer in gRPC, with its trailers.
pub type Body = Collected<Bytes>;

/// A service that this one calls; cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Server,
    balancer: Balancer,
    http: Client<HttpConnector, Full<Bytes>>,
    grpc: Client<HttpConnector, Full<Bytes>>,
    /// The longest one call may take; the current request's deadline can only shorten it.
    timeout: Duration,
}

impl Upstream {
    /// The upstream called `name`, found at `address`. A call to it may take as long as `timeout`, unless the address says
    /// otherwise; the current request's deadline can only shorten it. Must be called inside a Tokio runtime.
    pub fn new(name: &'static str, address: &Address, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(address.connect_timeout.unwrap_or(CONNECT_TIMEOUT)));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(CLIENT_IDLE_TIMEOUT)
            .pool_max_idle_per_host(address.max_idle.unwrap_or(MAX_IDLE));
        let http = builder.build(connector.clone());
        let grpc = builder
            .http2_only(true)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(connector);
        Self(Arc::new(Inner {
            server: Server {
                name,
                port: address.port(),
            },
            balancer: Balancer::new(discovery::follow(&address.source, name)),
            http,
            grpc,
            timeout: address.timeout.unwrap_or(timeout),
        }))
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.0.server.name
    }

    /// Has `/readyz` ask whether any replica is known.
    pub fn watch(&self, host: &Host) {
        let asked = self.clone();
        host.check(self.name(), move || std::future::ready(asked.discovered()));
    }

    /// A readiness check: whether any replica is known. It says nothing of the replica's health, so that one service that
    /// is down does not take its callers out of rotation.
    pub fn discovered(&self) -> Result<(), String> {
        if self.0.balancer.any() {
            Ok(())
        } else {
            Err(format!("no known replica of {}", self.name()))
        }
    }

    /// Sends a request, with an empty `body` where it has none. `template` is the route it is for, as metrics and spans name
    /// it. It is sent once: what becomes of it is the caller's to judge. The answer is whole: the time and the deadline of a call
    /// hold for its body too, and a replica that stops in the middle has not answered.
    pub async fn send(
        &self,
        method: Method,
        template: &'static str,
        path: PathAndQuery,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method;
        parts.uri = path.into();
        parts.headers = headers;
        let call = |parts: &request::Parts| {
            let path = parts.uri.path();
            ClientCall::http(self.0.server, &parts.method, template, path)
        };
        let answer = self.attempt(&self.0.http, parts, body, call).await?;
        Ok(answer.map(Collected::to_bytes))
    }

    /// The same upstream for a gRPC client made by tonic.
    pub fn grpc(&self) -> GrpcUpstream {
        GrpcUpstream(self.clone())
    }

    /// One attempt, repeated on another replica only while connections are refused.
    async fn attempt(
        &self,
        client: &Client<HttpConnector, Full<Bytes>>,
        parts: request::Parts,
        body: Bytes,
        start: impl Fn(&request::Parts) -> ClientCall,
    ) -> Result<Response<Body>, Error> {
        let Inner {
            server: Server { name, .. },
            balancer,
            timeout,
            ..
        } = &*self.0;
        let wait = deadline::remaining(*timeout);
        let until = Instant::now() + wait;
        for _ in 0..MAX_CONNECTS {
            let place = balancer.pick().ok_or(Error::Unavailable(name))?;
            let mut call = start(&parts);
            call.replica(place.address());
            let mut request = Request::from_parts(parts.clone(), Full::new(body.clone()));
            *request.uri_mut() = locate(place.address(), &parts.uri)?;
            call.inject(request.headers_mut());
            let grpc = parts.version == Version::HTTP_2;
            deadline::announce(request.headers_mut(), until - Instant::now(), grpc);
            let exchange = tokio::time::timeout_at(until, exchange(client, request));
            match chassis::elsewhere(exchange).await {
                Ok(Ok(answer)) => {
                    let trailers = answer.body().trailers();
                    call.finish(answer.status(), answer.headers(), trailers);
                    return Ok(answer);
                }
                Ok(Err(Failure::Connect)) => {
                    call.fail("connect");
                    balancer.refused(&place);
                }
                Ok(Err(Failure::TooLarge)) => {
                    call.fail("too_large");
                    let text = format!("{name} answered more than {MAX_ANSWER_BYTES} bytes");
                    return Err(Error::Internal(anyhow::anyhow!(text)));
                }
                Ok(Err(Failure::Io(error))) => {
                    tracing::debug!(error, service = name, "response interrupted");
                    call.fail("io");
                    return Err(Error::Unavailable(name));
                }
                Err(_) => {
                    call.fail("timeout");
                    return Err(Error::Timeout);
                }
            }
        }
        Err(Error::Unavailable(name))
    }
}

/// Why there is no answer.
enum Failure {
    /// Nothing was sent.
    Connect,
    /// The answer is longer than it may be.
    TooLarge,
    /// The connection broke.
    Io(String),
}

impl From<legacy::Error> for Failure {
    fn from(error: legacy::Error) -> Self {
        if error.is_connect() {
            Self::Connect
        } else {
            Self::Io(error.to_string())
        }
    }
}

/// Sends `request` and reads the answer to its end.
async fn exchange(
    client: &Client<HttpConnector, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Body>, Failure> {
    let (parts, body) = client.request(request).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Failure::TooLarge
        } else {
            Failure::Io(error.to_string())
        }
    })?;
    Ok(Response::from_parts(parts, body))
}

fn locate(address: std::net::SocketAddr, uri: &Uri) -> Result<Uri, Error> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    Uri::builder()
        .scheme("http")
        .authority(address.to_string())
        .path_and_query(path)
        .build()
        .map_err(|error| Error::Internal(error.into()))
}

type GrpcRequest = Request<tonic::body::Body>;

/// An [`Upstream`] as the tower service that a generated gRPC client calls, for methods that do not stream.
#[derive(Debug, Clone)]
pub struct GrpcUpstream(Upstream);

impl tower::Service<GrpcRequest> for GrpcUpstream {
    type Response = Response<Body>;
    type Error = tonic::Status;
    type Future = BoxFuture<'static, Result<Self::Response, tonic::Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tonic::Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        let upstream = self.0.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            parts.version = Version::HTTP_2;
            let body = Limited::new(body, MAX_REQUEST_BYTES)
                .collect()
                .await
                .map_err(|error| tonic::Status::internal(format!("collect the request: {error}")))?
                .to_bytes();
            let start =
                |parts: &request::Parts| ClientCall::rpc(upstream.0.server, parts.uri.path());
            let answer = upstream.attempt(&upstream.0.grpc, parts, body, start).await;
            answer.map_err(Error::into_grpc)
        })
    }
}

#[cfg(test)]
mod tests;
