//! Requests that come in: their context, and one sample, one access line and at most one span for each, whatever becomes
//! of it.

mod route;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, LazyLock, OnceLock},
    task::{Context, Poll, ready},
    time::{Instant, SystemTime},
};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request},
    response::Response,
};
use http::Method;
use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanKind, TraceId},
};
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};

use self::route::Route;
pub use self::route::promise;
use crate::{
    access::{self, Asked},
    attributes,
    context::{
        CURRENT, RequestContext, extract, flags, fresh_request_id, new_span_id, new_trace_id,
        request_id, set_request_id,
    },
    metrics::{ACTIVE, Labels, Latencies, latencies},
    names,
    rpc::{self, Ended, ObservedBody},
    sampler::{self, Sampler},
    spans::{self, Finished},
};

/// Whether a caller's decision to sample a trace is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Another service of ours: follow it.
    Trusted,
    /// Anyone: keep the trace id, so that the caller finds its trace, but decide ourselves what is kept.
    Untrusted,
}

impl Caller {
    /// Whether a trace is kept.
    fn keeps(self, sampler: Sampler, trace: TraceId, parent: Option<&SpanContext>) -> bool {
        match self {
            // The id came from outside, and whoever chooses it must not choose what is kept.
            Self::Untrusted if parent.is_some() => sampler.keeps(new_trace_id(), None),
            Self::Untrusted | Self::Trusted => sampler.keeps(trace, parent),
        }
    }
}

/// Observes every route of `router`, its fallback included. Apply it last, so that it is outermost.
pub fn observe(router: Router, caller: Caller) -> Router {
    router.layer(ObserveLayer { caller })
}

/// Marks a request as a gRPC call.
#[derive(Debug, Clone, Copy)]
struct Rpc;

/// Whether [`observe`] took the request for a gRPC call: its route is that of a service that [`serve_rpc`](crate::serve_rpc)
/// told of, and its content type that of gRPC.
pub fn is_rpc(request: &Request) -> bool {
    request.extensions().get::<Rpc>().is_some()
}

#[derive(Debug, Clone, Copy)]
struct ObserveLayer {
    caller: Caller,
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    /// axum calls this for each route, so each has its own handles.
    fn layer(&self, inner: S) -> Observe<S> {
        Observe {
            inner,
            caller: self.caller,
            route: Arc::default(),
        }
    }
}

#[derive(Debug, Clone)]
struct Observe<S> {
    inner: S,
    caller: Caller,
    route: Arc<OnceLock<Arc<Route>>>,
}

impl<S> Service<Request> for Observe<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Observed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let route = self.route(&request);
        let method = route.rpc_method(&request);
        let call = ServerCall::start(self.caller, route, method, &request);
        if method.is_some() {
            request.extensions_mut().insert(Rpc);
        }
        let context = call.context.clone();
        Observed {
            future: CURRENT.scope(context, self.inner.call(request)),
            call: Some(call),
        }
    }
}

impl<S> Observe<S> {
    fn route(&self, request: &Request) -> Arc<Route> {
        let matched = request.extensions().get::<MatchedPath>();
        let template = matched.map_or("unmatched", MatchedPath::as_str);
        let route = self.route.get_or_init(|| Arc::new(Route::new(template)));
        if route.template == template {
            Arc::clone(route)
        } else {
            // A router that was observed before it was nested at several places.
            Arc::new(Route::new(template))
        }
    }
}

static RPC_DURATION: LazyLock<Latencies<2>> = LazyLock::new(|| {
    let help = "Duration of gRPC calls, from the request headers to the end of the response";
    latencies(names::RPC_SERVER_CALL_DURATION, help)
});

/// Methods are free text to a client, so only known ones become a label.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// One request, from its head on. Dropped without an end, its client has gone away, which counts as status 499.
struct ServerCall {
    route: Arc<Route>,
    method: &'static str,
    /// `package.Service/Method`, or `_OTHER` for one that does not exist, if this is gRPC.
    rpc_method: Option<&'static str>,
    /// For the span, if there will be one.
    path: Option<String>,
    context: RequestContext,
    parent: Option<SpanContext>,
    start: SystemTime,
    clock: Instant,
    over: bool,
}

impl ServerCall {
    fn start(
        caller: Caller,
        route: Arc<Route>,
        rpc_method: Option<&'static str>,
        request: &Request,
    ) -> Self {
        let (start, clock) = (SystemTime::now(), Instant::now());
        let headers = request.headers();
        let (parent, tracestate) = extract(headers).map(|it| (it.span, it.tracestate)).unzip();
        let trace = parent
            .as_ref()
            .map_or_else(new_trace_id, SpanContext::trace_id);
        let sampled = caller.keeps(sampler::sampler(), trace, parent.as_ref());
        let flags = flags(parent.as_ref(), sampled);
        let state = parent.as_ref().map(|it| it.trace_state().clone());
        let span = SpanContext::new(
            trace,
            new_span_id(),
            flags,
            false,
            state.unwrap_or_default(),
        );
        let request_id = request_id(headers).unwrap_or_else(|| fresh_request_id(span.span_id()));
        let path = request.uri().path();
        ACTIVE.inc();
        Self {
            rpc_method,
            path: spans::wanted(&span).then(|| path.to_owned()),
            method: method_label(request.method()),
            context: RequestContext {
                span,
                tracestate: tracestate.flatten(),
                request_id,
            },
            route,
            parent,
            start,
            clock,
            over: false,
        }
    }

    /// `rpc_status` is none where the answer was not in gRPC.
    fn end(&mut self, http_status: u16, rpc_status: Option<&'static str>) {
        self.over = true;
        self.record(http_status, rpc_status);
        // Only now: whoever sees no request in flight must find all of them in the signals.
        ACTIVE.dec();
    }

    fn record(&mut self, http_status: u16, rpc_status: Option<&'static str>) {
        let duration = self.clock.elapsed();
        let end = self.start + duration;
        let span = &self.context.span;
        let (name, mut attributes, failed);
        if let Some(method) = self.rpc_method {
            let rpc_status = rpc_status.unwrap_or(rpc::UNKNOWN);
            let labels = Labels([
                (names::RPC_METHOD, method.into()),
                (names::RPC_RESPONSE_STATUS_CODE, rpc_status.into()),
            ]);
            RPC_DURATION
                .get_or_create_owned(&labels)
                .observe(duration.as_secs_f64(), span);
            let asked = Asked::Rpc {
                method,
                status: rpc_status,
            };
            access::write(end, &self.context, asked, http_status, duration);
            name = method.to_owned();
            attributes = vec![
                KeyValue::new(attributes::RPC_SYSTEM_NAME, "grpc"),
                KeyValue::new(attributes::RPC_METHOD, method),
                KeyValue::new(attributes::RPC_RESPONSE_STATUS_CODE, rpc_status),
            ];
            failed = rpc::is_server_error(rpc_status);
        } else {
            let (method, route) = (self.method, self.route.template.as_str());
            self.route
                .observe(method, http_status, duration.as_secs_f64(), span);
            access::write(
                end,
                &self.context,
                Asked::Http { method, route },
                http_status,
                duration,
            );
            if self.path.is_none() {
                return;
            }
            name = format!("{method} {route}");
            attributes = vec![
                KeyValue::new(attributes::HTTP_REQUEST_METHOD, method),
                KeyValue::new(attributes::HTTP_ROUTE, route.to_owned()),
                KeyValue::new(
                    attributes::HTTP_RESPONSE_STATUS_CODE,
                    i64::from(http_status),
                ),
            ];
            failed = http_status >= 500;
        }
        let Some(path) = self.path.take() else { return };
        attributes.push(KeyValue::new(attributes::URL_PATH, path));
        attributes.push(KeyValue::new(
            attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID,
            self.context.request_id().to_owned(),
        ));
        spans::export(Finished {
            span: span.clone(),
            parent: self.parent.take(),
            kind: SpanKind::Server,
            name: name.into(),
            start: self.start,
            end,
            attributes,
            failed,
        });
    }
}

impl Ended for ServerCall {
    fn ended(mut self, status: &'static str) {
        self.end(200, Some(status));
    }
}

impl Drop for ServerCall {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if std::thread::panicking() {
            self.end(500, Some("INTERNAL"));
        } else {
            self.end(CLIENT_CLOSED_REQUEST, Some(rpc::CANCELLED));
        }
    }
}

/// What nginx calls a request whose client went away before the answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

pin_project_lite::pin_project! {
    struct Observed<F> {
        #[pin]
        future: TaskLocalFuture<RequestContext, F>,
        call: Option<ServerCall>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Observed<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.future.poll(cx));
        let mut call = this
            .call
            .take()
            .expect("a future is not polled after its end");
        set_request_id(response.headers_mut(), call.context.request_id.clone());
        if call.rpc_method.is_some() && rpc::is_grpc(response.headers()) {
            let status = rpc::status(response.headers());
            return Poll::Ready(Ok(
                response.map(|it| Body::new(ObservedBody::watched(it, status, call)))
            ));
        }
        call.end(response.status().as_u16(), None);
        Poll::Ready(Ok(response))
    }
}
