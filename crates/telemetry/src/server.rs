//! Requests that come in: their context, and one sample, one access line and at most one span for each, whatever becomes
//! of it.

mod answer;
mod caller;
mod route;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, LazyLock, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{MatchedPath, Request},
    response::Response,
};
use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanKind},
};
use prometheus_client::metrics::gauge::Gauge;
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};

use self::{
    answer::{Answer, End},
    route::Route,
};
pub use self::{caller::Caller, route::promise};
use crate::{
    access::{self, Asked},
    attributes,
    clock::Began,
    context::{
        CURRENT, RequestContext, extract, flags, fresh_request_id, new_span_id, new_trace_id,
        request_id, set_request_id,
    },
    cut_off::{self, Broken},
    metrics::{Labels, Latencies, SCHEME, active, latencies},
    names,
    naming::{method_label, span_name},
    rpc, sampler,
    spans::{self, Finished},
};

/// Observes every route of `router`, its fallback included. Apply it last, so that it is outermost.
pub fn observe(router: Router, caller: Caller) -> Router {
    // Before it has its state, axum would wrap a handler in all its layers anew for every request.
    router.with_state(()).layer(ObserveLayer { caller })
}

/// Marks a request as a gRPC call.
#[derive(Debug, Clone, Copy)]
struct Rpc;

/// Marks an answer, as its extension, as that to a request for which there was no room: its `error.type` is `shed`.
#[derive(Debug, Clone, Copy)]
pub struct Shed;

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
        let template = matched.map_or("", MatchedPath::as_str);
        let route = self.route.get_or_init(|| Arc::new(Route::new(template)));
        if route.template == template {
            Arc::clone(route)
        } else {
            // A router that was observed before it was nested at several places.
            Arc::new(Route::new(template))
        }
    }
}

static RPC_DURATION: LazyLock<Latencies<4>> = LazyLock::new(|| {
    let help = "Duration of gRPC calls, from the request headers to the end of the response";
    latencies(names::RPC_SERVER_CALL_DURATION, help)
});

/// One request, from its head to the end of its answer. Dropped before that, its client has gone away, which counts as status
/// 499, unless [`cut_off`](crate::cut_off()) says otherwise.
struct ServerCall {
    route: Arc<Route>,
    method: &'static str,
    /// `package.Service/Method`, or `_OTHER` for one that does not exist, if this is gRPC.
    rpc_method: Option<&'static str>,
    /// For the span, if there will be one.
    path: Option<String>,
    context: RequestContext,
    parent: Option<SpanContext>,
    active: Gauge,
    began: Began,
    /// The status of the answer and how long its head took, once there is one.
    head: Option<(u16, Duration)>,
    /// Why it failed, where the status does not say that.
    reason: &'static str,
    over: bool,
}

impl ServerCall {
    fn start(
        caller: Caller,
        route: Arc<Route>,
        rpc_method: Option<&'static str>,
        request: &Request,
    ) -> Self {
        let began = Began::now();
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
        let method = method_label(request.method());
        let active = active(method);
        active.inc();
        Self {
            rpc_method,
            path: spans::wanted(&span).then(|| path.to_owned()),
            method,
            context: RequestContext {
                span,
                tracestate: tracestate.flatten(),
                request_id,
            },
            route,
            parent,
            active,
            began,
            head: None,
            reason: "",
            over: false,
        }
    }

    /// `took` is how long it took until that end was known.
    fn ended(mut self, end: End, took: Option<Duration>) {
        match (cut_off::why(), end) {
            (Some(why), _) => self.break_off(why),
            (None, End::Whole(rpc_status)) => {
                let (status, head) = self.head.expect("an answer that ends has begun");
                // The end of a gRPC call is part of it; how fast a client reads is not the server's.
                let took = took.filter(|_| self.rpc_method.is_some()).unwrap_or(head);
                self.end(status, rpc_status, self.reason, took);
            }
            (None, End::Broken) => self.break_off(Broken::IO),
            // As its drop says.
            (None, End::Dropped) => (),
        }
    }

    fn break_off(&mut self, why: Broken) {
        let took = self.began.elapsed();
        self.end(why.status, Some(why.rpc_status), why.error_type, took);
    }

    /// `rpc_status` is none where the answer was not in gRPC, `reason` empty where the status says it.
    fn end(
        &mut self,
        http_status: u16,
        rpc_status: Option<&'static str>,
        reason: &'static str,
        took: Duration,
    ) {
        self.over = true;
        self.record(http_status, rpc_status, reason, took);
        // Only now: whoever sees no request in flight must find all of them in the signals.
        self.active.dec();
    }

    fn record(
        &mut self,
        http_status: u16,
        rpc_status: Option<&'static str>,
        reason: &'static str,
        duration: Duration,
    ) {
        let end = self.began.at + duration;
        let (path, parent) = (self.path.take(), self.parent.take());
        let asked = self.asked(rpc_status);
        let failed = asked.failed(http_status);
        let error_type = match asked {
            Asked::Http { .. } => route::error_type(http_status, reason),
            Asked::Rpc { status, .. } if failed && reason.is_empty() => status.to_owned(),
            Asked::Rpc { .. } => reason.to_owned(),
        };
        self.count(asked, http_status, reason, &error_type, duration);
        access::write(
            end,
            &self.context,
            asked,
            http_status,
            &error_type,
            duration,
        );
        let Some(path) = path else { return };
        let (name, mut attributes) = describe(asked, http_status);
        attributes.push(KeyValue::new(attributes::URL_SCHEME, SCHEME));
        attributes.push(KeyValue::new(attributes::URL_PATH, path));
        if !error_type.is_empty() {
            attributes.push(KeyValue::new(attributes::ERROR_TYPE, error_type));
        }
        attributes.push(spans::request_id(self.context.request_id()));
        spans::export(Finished {
            span: self.context.span.clone(),
            parent,
            kind: SpanKind::Server,
            name: name.into(),
            start: self.began.at,
            end,
            attributes,
            failed,
        });
    }

    fn asked(&self, rpc_status: Option<&'static str>) -> Asked<'_> {
        match self.rpc_method {
            Some(method) => Asked::Rpc {
                method,
                status: rpc_status.unwrap_or(rpc::UNKNOWN),
            },
            None => Asked::Http {
                method: self.method,
                route: &self.route.template,
            },
        }
    }

    fn count(
        &self,
        asked: Asked<'_>,
        http_status: u16,
        reason: &'static str,
        error_type: &str,
        duration: Duration,
    ) {
        let (seconds, span) = (duration.as_secs_f64(), &self.context.span);
        match asked {
            Asked::Http { method, .. } => {
                let route = &self.route;
                route.observe(method, http_status, reason, seconds, span);
            }
            Asked::Rpc { method, status } => {
                let labels = Labels([
                    (names::RPC_SYSTEM_NAME, rpc::SYSTEM.into()),
                    (names::RPC_METHOD, method.into()),
                    (names::RPC_RESPONSE_STATUS_CODE, status.into()),
                    (names::ERROR_TYPE, error_type.to_owned().into()),
                ]);
                let latency = RPC_DURATION.get_or_create_owned(&labels);
                latency.observe(seconds, span);
            }
        }
    }
}

/// The name of a span, and what it says of what was asked and answered.
fn describe(asked: Asked<'_>, http_status: u16) -> (String, Vec<KeyValue>) {
    match asked {
        Asked::Http { method, route } => {
            let status = i64::from(http_status);
            let mut attributes = vec![
                KeyValue::new(attributes::HTTP_REQUEST_METHOD, method),
                KeyValue::new(attributes::HTTP_RESPONSE_STATUS_CODE, status),
            ];
            if !route.is_empty() {
                attributes.push(KeyValue::new(attributes::HTTP_ROUTE, route.to_owned()));
            }
            (span_name(method, route), attributes)
        }
        Asked::Rpc { method, status } => {
            let attributes = vec![
                KeyValue::new(attributes::RPC_SYSTEM_NAME, rpc::SYSTEM),
                KeyValue::new(attributes::RPC_METHOD, method),
                KeyValue::new(attributes::RPC_RESPONSE_STATUS_CODE, status),
            ];
            (method.to_owned(), attributes)
        }
    }
}

impl Drop for ServerCall {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let panic = std::thread::panicking().then_some(Broken::PANIC);
        self.break_off(panic.or_else(cut_off::why).unwrap_or(Broken::CANCELLED));
    }
}

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
        let grpc = call.rpc_method.is_some() && rpc::is_grpc(response.headers());
        let rpc_status = grpc.then(|| rpc::status(response.headers())).flatten();
        call.head = Some((response.status().as_u16(), call.began.elapsed()));
        if response.extensions().get::<Shed>().is_some() {
            call.reason = "shed";
        }
        if call.method == "HEAD" || response.body().is_end_stream() {
            call.ended(End::Whole(rpc_status), None);
            return Poll::Ready(Ok(response));
        }
        Poll::Ready(Ok(
            response.map(|body| Body::new(Answer::new(body, rpc_status, call)))
        ))
    }
}
