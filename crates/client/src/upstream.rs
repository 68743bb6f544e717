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
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use telemetry::{ClientCall, ObservedBody, Server};
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

/// The body of an upstream's answer.
pub type Body = ObservedBody<Incoming>;

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
        let grpc = builder.http2_only(true).build(connector);
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
    /// it. It is sent once: what becomes of it is the caller's to judge.
    pub async fn send(
        &self,
        method: Method,
        template: &'static str,
        path: PathAndQuery,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Body>, Error> {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method;
        parts.uri = path.into();
        parts.headers = headers;
        let call = |parts: &request::Parts| {
            let path = parts.uri.path();
            ClientCall::http(self.0.server, &parts.method, template, path)
        };
        self.attempt(&self.0.http, parts, body, call).await
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
            match tokio::time::timeout_at(until, client.request(request)).await {
                Ok(Ok(response)) => return Ok(call.finish(response)),
                Ok(Err(error)) if error.is_connect() => {
                    call.fail("connect");
                    balancer.refused(&place);
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, service = name, "response interrupted");
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

/// An [`Upstream`] as the tower service that a generated gRPC client calls.
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
mod tests {
    use std::net::SocketAddr;

    use axum::{Router, extract::ConnectInfo, routing::get};
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn a_caller_gives_an_idle_connection_up_before_the_service_does() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
        let app = Router::new().route("/", get(who));
        tokio::spawn(chassis::serve(
            listener,
            app,
            8,
            CancellationToken::new(),
            Duration::ZERO,
        ));
        let address = address.parse().unwrap();
        let upstream = Upstream::new("peer", &address, Duration::from_secs(1));
        let ask = async || {
            let path = PathAndQuery::from_static("/");
            let answer = upstream.send(Method::GET, "/", path, HeaderMap::new(), Bytes::new());
            let body = answer.await.unwrap().into_body().collect().await;
            body.unwrap().to_bytes()
        };
        let first = ask().await;
        assert_eq!(ask().await, first, "the connection is used again");
        tokio::time::pause();
        tokio::time::advance(CLIENT_IDLE_TIMEOUT + Duration::from_secs(1)).await;
        tokio::time::resume();
        assert_ne!(ask().await, first, "and not when it was idle for so long");
    }
}
