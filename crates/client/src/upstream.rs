//! Calling another service: over HTTP or gRPC, within the deadline, and no more than does it good.

mod attempt;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{HeaderMap, Method, Request, Response, Version, request, uri::PathAndQuery};
use bytes::Bytes;
use chassis::{CLIENT_IDLE_TIMEOUT, Error, Host, deadline};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use telemetry::{ClientCall, Server};
use tokio::time::Instant;

use self::attempt::{Outgoing, Tried, Turn};
use crate::{
    Address,
    bulkhead::Places,
    counts::{self, Calls},
    discovery,
    gate::Gate,
    protections::Protections,
    replicas::Balancer,
    retries::Retries,
    transport::{Body, Transport},
};

/// The longest request body that goes upstream; it is held in memory.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// The longest a connection may take, unless the address says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Idle connections kept per replica, unless the address says otherwise.
const MAX_IDLE: usize = 128;

/// How often a replica that owes answers over HTTP/2 is asked whether it is still there, ...
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// ... and how long it may take to say so. Its connection is given up then: without that, calls would go to a host that has
/// vanished until the system gives up, 15 minutes later.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// A service that this one calls; cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Upstream(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: Server,
    balancer: Balancer,
    http: Transport,
    grpc: Transport,
    /// The longest one call may take, all its tries together; the current request's deadline can only shorten it.
    timeout: Duration,
    places: Places,
    gate: Option<Gate>,
    retries: Option<Retries>,
    /// A try that takes so long has failed, whatever is answered.
    slow: Duration,
    /// The longest that one may take.
    try_timeout: Duration,
    /// Whether a call has no more time than the current request, and tells its callee how much.
    deadline: bool,
    /// Whether a call ends when nobody waits for it any more.
    cancel: bool,
}

impl Upstream {
    /// The upstream called `name`, found at `address`. A call to it may take as long as `timeout`, unless the address says
    /// otherwise; the current request's deadline can only shorten it. Must be called inside a Tokio runtime.
    pub fn new(name: &'static str, address: &Address, timeout: Duration) -> Self {
        Self::open(name, address, timeout, address.protections)
    }

    /// The same for a caller who asks so seldom that nothing could be concluded, one call at a time, and tries again by itself.
    pub fn unprotected(name: &'static str, address: &Address, timeout: Duration) -> Self {
        Self::open(name, address, timeout, Protections::off())
    }

    fn open(
        name: &'static str,
        address: &Address,
        timeout: Duration,
        protections: Protections,
    ) -> Self {
        let [http, grpc] = transports(address);
        let timeout = address.timeout.unwrap_or(timeout);
        let room = protections.room();
        if let Some(room) = room {
            counts::limit(name, room.in_flight);
        }
        let discovered = discovery::follow(&address.source, name);
        let breaker = protections.breaker();
        Self(Arc::new(Inner {
            server: Server {
                name,
                port: address.port(),
            },
            balancer: Balancer::new(discovered, protections.ejection(), name),
            http,
            grpc,
            timeout,
            places: Places::new(room, Calls::of(name)),
            gate: breaker.map(|settings| Gate::new(settings, name)),
            retries: protections.retries.map(|it| Retries::new(it, name)),
            slow: protections.slow.unwrap_or(timeout / 2),
            try_timeout: protections.try_timeout.unwrap_or(timeout),
            deadline: protections.deadline,
            cancel: protections.cancel,
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
    /// it. Where its method is idempotent it may be sent again; else what becomes of it is the caller's to judge. The answer is
    /// whole: the time and the deadline of a call hold for its body too, and a replica that stops in the middle has not answered.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where nobody answered or nobody was asked, because there is no replica, the breaker is open or there
    /// are too many calls already; [`Error::Timeout`] where the time was over first.
    pub async fn send(
        &self,
        method: Method,
        template: &'static str,
        path: PathAndQuery,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        let repeatable = method.is_idempotent();
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method;
        parts.uri = path.into();
        parts.headers = headers;
        let start = |parts: &request::Parts| {
            let path = parts.uri.path();
            ClientCall::http(self.0.server, &parts.method, template, path)
        };
        let out = self.outgoing(&self.0.http, parts, body, start);
        let answer = chassis::elsewhere(self.0.call(&out, repeatable)).await?;
        Ok(answer.map(Collected::to_bytes))
    }

    /// The same upstream for a gRPC client made by tonic.
    pub fn grpc(&self) -> GrpcUpstream {
        GrpcUpstream {
            upstream: self.clone(),
            repeatable: false,
        }
    }

    fn outgoing<'a, S>(
        &self,
        transport: &'a Transport,
        parts: request::Parts,
        body: Bytes,
        start: S,
    ) -> Outgoing<'a, S> {
        let longest = self.0.timeout;
        let time = if self.0.deadline {
            deadline::remaining(longest)
        } else {
            longest
        };
        Outgoing {
            transport,
            parts,
            body,
            start,
            until: Instant::now() + time,
        }
    }
}

/// What carries requests to `address` over HTTP, and over gRPC.
fn transports(address: &Address) -> [Transport; 2] {
    if let Some(routes) = address.within_process() {
        return [(); 2].map(|()| Transport::Within(routes.clone()));
    }
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
    [http, grpc].map(Box::new).map(Transport::Wire)
}

impl Inner {
    /// A call with all that protects it: a place in the bulkhead, leave of the breaker, and retries within the budget.
    async fn call<S: Fn(&request::Parts) -> ClientCall>(
        &self,
        out: &Outgoing<'_, S>,
        repeatable: bool,
    ) -> Result<Response<Body>, Error> {
        let reject = |reason| {
            (out.start)(&out.parts).reject(reason);
            Error::Unavailable(self.server.name)
        };
        let Some(_seat) = self.places.enter(out.until).await else {
            return Err(reject("bulkhead_full"));
        };
        let mut turn = Turn {
            resent: 0,
            not: None,
            admitted: None,
        };
        if let Some(gate) = &self.gate {
            let admitted = gate.admit(Instant::now().into_std());
            turn.admitted = Some(admitted.ok_or_else(|| reject("breaker_open"))?);
        }
        if let Some(retries) = &self.retries {
            retries.pay_in();
        }
        let tried = self.attempt(out, turn).await;
        match &self.retries {
            Some(retries) if repeatable => self.retry(out, retries, tried).await,
            _ => tried.answer,
        }
    }

    /// Tries again while that may help, there is time, the budget allows it and the breaker is not open.
    async fn retry<S: Fn(&request::Parts) -> ClientCall>(
        &self,
        out: &Outgoing<'_, S>,
        retries: &Retries,
        mut tried: Tried,
    ) -> Result<Response<Body>, Error> {
        let mut waited = None;
        for resent in 1..=retries.most() {
            let Some(wait) = retries.wait(tried.again, waited, out.until) else {
                break;
            };
            tokio::time::sleep(wait).await;
            waited = Some(wait);
            let mut turn = Turn {
                resent,
                not: tried.by,
                admitted: None,
            };
            if let Some(gate) = &self.gate {
                turn.admitted = gate.admit(Instant::now().into_std());
                if turn.admitted.is_none() {
                    retries.counts.breaker_open.inc();
                    break;
                }
            }
            tried = self.attempt(out, turn).await;
        }
        tried.answer
    }
}

type GrpcRequest = Request<tonic::body::Body>;

/// An [`Upstream`] as the tower service that a generated gRPC client calls, for methods that do not stream.
#[derive(Debug, Clone)]
pub struct GrpcUpstream {
    upstream: Upstream,
    repeatable: bool,
}

impl GrpcUpstream {
    /// For methods that may be called twice, because they only read, say.
    #[must_use]
    pub fn idempotent(self) -> Self {
        Self {
            repeatable: true,
            ..self
        }
    }
}

impl tower::Service<GrpcRequest> for GrpcUpstream {
    type Response = Response<Body>;
    type Error = tonic::Status;
    type Future = BoxFuture<'static, Result<Self::Response, tonic::Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tonic::Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        let Self {
            upstream,
            repeatable,
        } = self.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            parts.version = Version::HTTP_2;
            let body = Limited::new(body, MAX_REQUEST_BYTES)
                .collect()
                .await
                .map_err(|error| tonic::Status::internal(format!("collect the request: {error}")))?
                .to_bytes();
            let inner = &upstream.0;
            let start = |parts: &request::Parts| ClientCall::rpc(inner.server, parts.uri.path());
            let out = upstream.outgoing(&inner.grpc, parts, body, start);
            let answer = chassis::elsewhere(inner.call(&out, repeatable)).await;
            answer.map_err(Error::into_grpc)
        })
    }
}
