//! Requests that go out: one attempt is one sample and at most one span.

use std::{
    net::SocketAddr,
    sync::LazyLock,
    time::{Instant, SystemTime},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanKind},
};

use crate::{
    attributes,
    context::{CURRENT, flags, inject, new_span_id, new_trace_id, set_request_id},
    metrics::{Labels, Latencies, latencies},
    names, rpc, sampler,
    server::method_label,
    spans::{self, Finished},
};

static HTTP_DURATION: LazyLock<Latencies<5>> = LazyLock::new(|| {
    let help = "Duration of an outbound HTTP attempt, until the end of the response";
    latencies(names::HTTP_CLIENT_REQUEST_DURATION, help)
});

static RPC_DURATION: LazyLock<Latencies<4>> = LazyLock::new(|| {
    let help = "Duration of an outbound gRPC attempt, until the end of the response";
    latencies(names::RPC_CLIENT_CALL_DURATION, help)
});

#[derive(Debug)]
enum Asked {
    Http {
        method: &'static str,
        template: &'static str,
    },
    Rpc {
        method: String,
    },
}

/// One attempt to call another service. Dropped without an end, it was cancelled.
#[derive(Debug)]
pub struct ClientCall {
    service: &'static str,
    asked: Asked,
    replica: Option<SocketAddr>,
    span: SpanContext,
    parent: Option<SpanContext>,
    tracestate: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    start: SystemTime,
    clock: Instant,
    over: bool,
}

impl ClientCall {
    /// Starts an HTTP attempt. `service` is the logical name of the callee, `url_template` the route it is for.
    pub fn http(service: &'static str, method: &Method, url_template: &'static str) -> Self {
        let method = method_label(method);
        Self::start(
            service,
            Asked::Http {
                method,
                template: url_template,
            },
        )
    }

    /// Starts a gRPC attempt of `package.Service/Method`.
    pub fn rpc(service: &'static str, method: &str) -> Self {
        Self::start(
            service,
            Asked::Rpc {
                method: method.to_owned(),
            },
        )
    }

    fn start(service: &'static str, asked: Asked) -> Self {
        let context = CURRENT.try_with(Clone::clone).ok();
        let tracestate = context.as_ref().and_then(|it| it.tracestate.clone());
        let (parent, request_id) = context.map(|it| (it.span, it.request_id)).unzip();
        let (trace, flags) = if let Some(parent) = &parent {
            (parent.trace_id(), parent.trace_flags())
        } else {
            let trace = new_trace_id();
            (trace, flags(None, sampler::sampler().keeps(trace, None)))
        };
        let state = parent.as_ref().map(|it| it.trace_state().clone());
        Self {
            service,
            asked,
            replica: None,
            span: SpanContext::new(
                trace,
                new_span_id(),
                flags,
                false,
                state.unwrap_or_default(),
            ),
            parent,
            tracestate,
            request_id,
            start: SystemTime::now(),
            clock: Instant::now(),
            over: false,
        }
    }

    /// Which replica is called.
    pub fn replica(&mut self, address: SocketAddr) {
        self.replica = Some(address);
    }

    /// Hands trace and request id to the callee.
    pub fn inject(&self, headers: &mut HeaderMap) {
        inject(&self.span, self.tracestate.as_ref(), headers);
        if let Some(id) = &self.request_id {
            set_request_id(headers, id.clone());
        }
    }

    /// An answer came whole. A gRPC call tells its status in the trailers, or in the headers of an answer without a body.
    pub fn finish(mut self, status: StatusCode, headers: &HeaderMap, trailers: Option<&HeaderMap>) {
        if matches!(self.asked, Asked::Rpc { .. }) {
            let told = rpc::is_grpc(headers).then(|| {
                trailers
                    .and_then(rpc::status)
                    .or_else(|| rpc::status(headers))
            });
            let told = told.flatten().unwrap_or(rpc::UNKNOWN);
            self.end(told, "", told != "OK");
        } else {
            let failed = status.is_client_error() || status.is_server_error();
            self.end(status.as_str(), "", failed);
        }
    }

    /// No answer came, or not the whole of it: `error_type` says why in one word, such as `timeout` or `connect`.
    pub fn fail(mut self, error_type: &'static str) {
        self.end("", error_type, true);
    }

    fn end(&mut self, status: &str, error_type: &'static str, failed: bool) {
        self.over = true;
        let duration = self.clock.elapsed();
        let seconds = duration.as_secs_f64();
        let status_label = status.to_owned().into();
        match &self.asked {
            Asked::Http { method, template } => {
                let labels = Labels([
                    (names::HTTP_REQUEST_METHOD, (*method).into()),
                    (names::SERVER_ADDRESS, self.service.into()),
                    (names::URL_TEMPLATE, (*template).into()),
                    (names::HTTP_RESPONSE_STATUS_CODE, status_label),
                    (names::ERROR_TYPE, error_type.into()),
                ]);
                HTTP_DURATION
                    .get_or_create_owned(&labels)
                    .observe(seconds, &self.span);
            }
            Asked::Rpc { method } => {
                let labels = Labels([
                    (names::RPC_METHOD, method.clone().into()),
                    (names::SERVER_ADDRESS, self.service.into()),
                    (names::RPC_RESPONSE_STATUS_CODE, status_label),
                    (names::ERROR_TYPE, error_type.into()),
                ]);
                RPC_DURATION
                    .get_or_create_owned(&labels)
                    .observe(seconds, &self.span);
            }
        }
        if spans::wanted(&self.span) {
            let end = self.start + duration;
            let (name, attributes) = self.describe(status, error_type);
            spans::export(Finished {
                span: self.span.clone(),
                parent: self.parent.take(),
                kind: SpanKind::Client,
                name: name.into(),
                start: self.start,
                end,
                attributes,
                failed,
            });
        }
    }

    fn describe(&self, status: &str, error_type: &'static str) -> (String, Vec<KeyValue>) {
        let mut attributes = vec![KeyValue::new(attributes::SERVER_ADDRESS, self.service)];
        let name = match &self.asked {
            Asked::Http { method, template } => {
                attributes.push(KeyValue::new(attributes::HTTP_REQUEST_METHOD, *method));
                attributes.push(KeyValue::new(attributes::URL_TEMPLATE, *template));
                if let Ok(status) = status.parse::<i64>() {
                    attributes.push(KeyValue::new(attributes::HTTP_RESPONSE_STATUS_CODE, status));
                }
                format!("{method} {template}")
            }
            Asked::Rpc { method } => {
                attributes.push(KeyValue::new(attributes::RPC_SYSTEM_NAME, "grpc"));
                attributes.push(KeyValue::new(attributes::RPC_METHOD, method.clone()));
                attributes.push(KeyValue::new(
                    attributes::RPC_RESPONSE_STATUS_CODE,
                    status.to_owned(),
                ));
                method.clone()
            }
        };
        if let Some(replica) = self.replica {
            attributes.push(KeyValue::new(
                attributes::NETWORK_PEER_ADDRESS,
                replica.ip().to_string(),
            ));
            attributes.push(KeyValue::new(
                attributes::NETWORK_PEER_PORT,
                i64::from(replica.port()),
            ));
        }
        if let Some(id) = self.request_id.as_ref().and_then(|it| it.to_str().ok()) {
            attributes.push(KeyValue::new(
                attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID,
                id.to_owned(),
            ));
        }
        if !error_type.is_empty() {
            attributes.push(KeyValue::new(attributes::ERROR_TYPE, error_type));
        }
        (name, attributes)
    }
}

impl Drop for ClientCall {
    fn drop(&mut self) {
        if !self.over {
            self.end("", "cancelled", true);
        }
    }
}
