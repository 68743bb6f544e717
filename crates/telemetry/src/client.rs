//! Requests that go out: one attempt is one sample and at most one span, and so is a call that was rejected before any attempt.

use std::{net::SocketAddr, sync::LazyLock, time::SystemTime};

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanKind},
};
use prometheus_client::metrics::{counter::Counter, family::Family};

use crate::{
    attributes,
    clock::Began,
    context::{CURRENT, inject, set_request_id},
    metrics::{Labels, Latencies, SCHEME, latencies, register},
    names,
    naming::{method_label, span_name},
    rpc,
    spans::{self, Finished},
};

static HTTP_DURATION: LazyLock<Latencies<6>> = LazyLock::new(|| {
    let help = "Duration of an outbound HTTP attempt, until the end of the response";
    latencies(names::HTTP_CLIENT_REQUEST_DURATION, help)
});

static RPC_DURATION: LazyLock<Latencies<6>> = LazyLock::new(|| {
    let help = "Duration of an outbound gRPC attempt, until the end of the response";
    latencies(names::RPC_CLIENT_CALL_DURATION, help)
});

static REJECTED: LazyLock<Family<Labels<2>, Counter>> = LazyLock::new(|| {
    let help = "Outbound calls that were rejected before anything was sent";
    register(names::CLIENT_CALLS_REJECTED, help, Family::default())
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

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Logical name of the service.
    pub name: &'static str,
    /// Port in the address that it is found by, if that names one. One that changes with each start is none.
    pub port: Option<u16>,
}

/// One attempt to call another service. Dropped without an end, it was cancelled.
#[derive(Debug)]
pub struct ClientCall {
    server: Server,
    asked: Asked,
    /// For the span, if there will be one.
    path: Option<String>,
    replica: Option<SocketAddr>,
    /// How often the same request was sent before.
    resent: u32,
    /// The bytes of the bodies that were sent and received.
    carried: Option<(usize, usize)>,
    span: SpanContext,
    parent: Option<SpanContext>,
    tracestate: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    began: Began,
    over: bool,
}

impl ClientCall {
    /// Starts an HTTP attempt. `url_template` is the route that `path` is for.
    pub fn http(server: Server, method: &Method, url_template: &'static str, path: &str) -> Self {
        let asked = Asked::Http {
            method: method_label(method),
            template: url_template,
        };
        Self::start(server, asked, path)
    }

    /// Starts a gRPC attempt at `path`, `/package.Service/Method`.
    pub fn rpc(server: Server, path: &str) -> Self {
        let method = path.trim_start_matches('/').to_owned();
        Self::start(server, Asked::Rpc { method }, path)
    }

    fn start(server: Server, asked: Asked, path: &str) -> Self {
        let context = CURRENT.try_with(Clone::clone).ok();
        let tracestate = context.as_ref().and_then(|it| it.tracestate.clone());
        let (parent, request_id) = context.map(|it| (it.span, it.request_id)).unzip();
        let span = spans::below(parent.as_ref());
        Self {
            server,
            asked,
            path: spans::wanted(&span).then(|| path.to_owned()),
            replica: None,
            resent: 0,
            carried: None,
            span,
            parent,
            tracestate,
            request_id,
            began: Began::now(),
            over: false,
        }
    }

    /// Which replica is called; one in this process has no address.
    pub fn replica(&mut self, address: SocketAddr) {
        self.replica = Some(address);
    }

    /// The same request was sent so often before.
    pub fn resent(&mut self, times: u32) {
        self.resent = times;
    }

    /// How many bytes the bodies have that were sent and received whole.
    pub fn carried(&mut self, sent: usize, received: usize) {
        self.carried = Some((sent, received));
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
            self.end(told, if told == "OK" { "" } else { told });
        } else {
            let failed = status.is_client_error() || status.is_server_error();
            let status = status.as_str();
            self.end(status, if failed { status } else { "" });
        }
    }

    /// No answer came, or not the whole of it: `error_type` says why in one word, such as `timeout` or `connect`.
    pub fn fail(mut self, error_type: &'static str) {
        self.end("", error_type);
    }

    /// Nothing was sent, and nothing will be: `error_type` says why in one word, such as `breaker_open`. It is no attempt, so it
    /// is counted apart, and its span is none of a client.
    pub fn reject(mut self, error_type: &'static str) {
        self.over = true;
        let labels = Labels([
            (names::SERVER_ADDRESS, self.server.name.into()),
            (names::ERROR_TYPE, error_type.into()),
        ]);
        REJECTED.get_or_create_owned(&labels).inc();
        if !spans::wanted(&self.span) {
            return;
        }
        let server = KeyValue::new(attributes::SERVER_ADDRESS, self.server.name);
        let (name, asked) = self.asked.describe();
        let mut attributes = vec![server];
        attributes.extend(asked);
        attributes.extend(self.cause(error_type));
        let end = self.began.at + self.began.elapsed();
        self.export(SpanKind::Internal, name, end, attributes, true);
    }

    fn end(&mut self, status: &str, error_type: &str) {
        self.over = true;
        let duration = self.began.elapsed();
        let seconds = duration.as_secs_f64();
        let port = self.server.port.map(|it| it.to_string());
        let port_label = port.unwrap_or_default().into();
        let status_label = status.to_owned().into();
        let error_label = error_type.to_owned().into();
        match &self.asked {
            Asked::Http { method, template } => {
                let labels = Labels([
                    (names::HTTP_REQUEST_METHOD, (*method).into()),
                    (names::SERVER_ADDRESS, self.server.name.into()),
                    (names::SERVER_PORT, port_label),
                    (names::URL_TEMPLATE, (*template).into()),
                    (names::HTTP_RESPONSE_STATUS_CODE, status_label),
                    (names::ERROR_TYPE, error_label),
                ]);
                HTTP_DURATION
                    .get_or_create_owned(&labels)
                    .observe(seconds, &self.span);
            }
            Asked::Rpc { method } => {
                let labels = Labels([
                    (names::RPC_SYSTEM_NAME, rpc::SYSTEM.into()),
                    (names::RPC_METHOD, method.clone().into()),
                    (names::SERVER_ADDRESS, self.server.name.into()),
                    (names::SERVER_PORT, port_label),
                    (names::RPC_RESPONSE_STATUS_CODE, status_label),
                    (names::ERROR_TYPE, error_label),
                ]);
                RPC_DURATION
                    .get_or_create_owned(&labels)
                    .observe(seconds, &self.span);
            }
        }
        if spans::wanted(&self.span) {
            let end = self.began.at + duration;
            let (name, attributes) = self.describe(status, error_type);
            self.export(
                SpanKind::Client,
                name,
                end,
                attributes,
                !error_type.is_empty(),
            );
        }
    }

    fn export(
        &mut self,
        kind: SpanKind,
        name: String,
        end: SystemTime,
        attributes: Vec<KeyValue>,
        failed: bool,
    ) {
        spans::export(Finished {
            span: self.span.clone(),
            parent: self.parent.take(),
            kind,
            name: name.into(),
            start: self.began.at,
            end,
            attributes,
            failed,
        });
    }

    fn describe(&self, status: &str, error_type: &str) -> (String, Vec<KeyValue>) {
        let mut attributes = vec![KeyValue::new(attributes::SERVER_ADDRESS, self.server.name)];
        let replica = self.replica.map(|it| it.port());
        if let Some(port) = self.server.port.or(replica) {
            attributes.push(KeyValue::new(attributes::SERVER_PORT, i64::from(port)));
        }
        let (name, asked) = self.asked.describe();
        attributes.extend(asked);
        match &self.asked {
            Asked::Http { .. } => {
                if let Ok(status) = status.parse::<i64>() {
                    attributes.push(KeyValue::new(attributes::HTTP_RESPONSE_STATUS_CODE, status));
                }
                if let (Some(replica), Some(path)) = (self.replica, &self.path) {
                    let url = format!("{SCHEME}://{replica}{path}");
                    attributes.push(KeyValue::new(attributes::URL_FULL, url));
                }
            }
            Asked::Rpc { .. } if status.is_empty() => {}
            Asked::Rpc { .. } => {
                let status = status.to_owned();
                attributes.push(KeyValue::new(attributes::RPC_RESPONSE_STATUS_CODE, status));
            }
        }
        if self.resent > 0 {
            let times = i64::from(self.resent);
            attributes.push(KeyValue::new(attributes::HTTP_REQUEST_RESEND_COUNT, times));
        }
        if let Some((sent, received)) = self.carried {
            let bytes = |it| i64::try_from(it).unwrap_or(i64::MAX);
            attributes.extend([
                KeyValue::new(attributes::HTTP_REQUEST_BODY_SIZE, bytes(sent)),
                KeyValue::new(attributes::HTTP_RESPONSE_BODY_SIZE, bytes(received)),
            ]);
        }
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
        attributes.extend(self.cause(error_type));
        (name, attributes)
    }

    /// The request that led to it, and why it failed, if it did.
    fn cause(&self, error_type: &str) -> impl Iterator<Item = KeyValue> {
        let id = self.request_id.as_ref().and_then(|it| it.to_str().ok());
        let reason = (!error_type.is_empty())
            .then(|| KeyValue::new(attributes::ERROR_TYPE, error_type.to_owned()));
        id.map(spans::request_id).into_iter().chain(reason)
    }
}

impl Asked {
    /// What a span is called for it, and how it says so.
    fn describe(&self) -> (String, [KeyValue; 2]) {
        match self {
            Self::Http { method, template } => (
                span_name(method, template),
                [
                    KeyValue::new(attributes::HTTP_REQUEST_METHOD, *method),
                    KeyValue::new(attributes::URL_TEMPLATE, *template),
                ],
            ),
            Self::Rpc { method } => (
                method.clone(),
                [
                    KeyValue::new(attributes::RPC_SYSTEM_NAME, rpc::SYSTEM),
                    KeyValue::new(attributes::RPC_METHOD, method.clone()),
                ],
            ),
        }
    }
}

impl Drop for ClientCall {
    fn drop(&mut self) {
        if !self.over {
            self.end("", "cancelled");
        }
    }
}
