//! How every service is observed.
//!
//! Call [`init`] once, wrap the public router in [`observe`], start a [`ClientCall`] for every outbound attempt and run
//! database work in [`db`]. That is the whole contract: handlers only ever write `tracing` events.

pub mod names;

use std::{future::Future, time::Duration};

use axum::Router;
use http::{HeaderMap, HeaderValue, Method, Response};
use opentelemetry::trace::SpanContext;

/// Header that names one request, kept if the caller sent a valid one.
pub const REQUEST_ID: &str = "x-request-id";

/// Stub.
pub fn init(_service: &'static str) -> anyhow::Result<Telemetry> {
    Ok(Telemetry)
}

/// Stub.
#[derive(Debug)]
pub struct Telemetry;

impl Telemetry {
    /// Stub.
    pub fn router(&self) -> Router {
        Router::new()
    }
    /// Stub.
    pub async fn shutdown(self, _timeout: Duration) {}
}

/// Stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Stub.
    Trusted,
    /// Stub.
    Untrusted,
}

/// Stub.
pub fn observe(router: Router, _caller: Caller) -> Router {
    router
}

/// Stub.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Stub.
    pub span: SpanContext,
    /// Stub.
    pub request_id: HeaderValue,
}

/// Stub.
pub fn current() -> Option<RequestContext> {
    None
}

/// Stub.
pub async fn in_context<F: Future>(_context: Option<RequestContext>, future: F) -> F::Output {
    future.await
}

/// Stub.
#[derive(Debug)]
pub struct ClientCall;

impl ClientCall {
    /// Stub.
    pub fn http(_service: &'static str, _method: &Method, _url_template: &'static str) -> Self {
        Self
    }
    /// Stub.
    pub fn rpc(_service: &'static str, _method: &str) -> Self {
        Self
    }
    /// Stub.
    pub fn replica(&mut self, _address: std::net::SocketAddr) {}
    /// Stub.
    pub fn inject(&self, _headers: &mut HeaderMap) {}
    /// Stub.
    pub fn finish<B>(self, response: Response<B>) -> Response<ObservedBody<B>> {
        response.map(ObservedBody)
    }
    /// Stub.
    pub fn fail(self, _error_type: &'static str) {}
}

/// Stub.
#[derive(Debug)]
pub struct ObservedBody<B>(B);

impl<B: http_body::Body + Unpin> http_body::Body for ObservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}

/// Stub.
pub async fn db<T, E: std::fmt::Display>(
    _system: &'static str,
    _operation: &'static str,
    _collection: &'static str,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    future.await
}

/// Stub.
pub fn register<M: prometheus_client::registry::Metric + Clone>(
    _name: &'static str,
    _help: &'static str,
    metric: M,
) -> M {
    metric
}

/// Stub.
pub mod loss {
    /// Stub.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Signal {
        /// Stub.
        Logs,
        /// Stub.
        Traces,
        /// Stub.
        Metrics,
    }
    /// Stub.
    pub fn one_in(_signal: Signal, _n: u32) {}
}
