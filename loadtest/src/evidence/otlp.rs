//! Receives spans over OTLP/gRPC and keeps them.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{self as proto, span::SpanKind, status::StatusCode},
};
use telemetry::attributes::SERVICE_NAME;
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Request, Response, Status};

/// More spans than this are refused, and the service that sent them counts them as lost.
const MAX_SPANS: usize = 4_000_000;

/// A time since 1970, as spans have it.
pub(crate) fn since_1970(at: SystemTime) -> u64 {
    nanos(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A duration, as spans have it.
pub(crate) fn nanos(it: Duration) -> u64 {
    u64::try_from(it.as_nanos()).unwrap_or(u64::MAX)
}

/// Who made a span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// Of the conventions that its names follow.
    pub schema_url: String,
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
}

impl Resource {
    /// An attribute; empty if it is not there.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A span as it was exported.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Span {
    /// Hexadecimal.
    pub trace_id: String,
    /// Hexadecimal.
    pub id: String,
    /// Hexadecimal; empty for a root.
    pub parent_id: String,
    /// Resource attribute `service.name`.
    pub service: String,
    /// Who made it.
    pub resource: Arc<Resource>,
    /// Its name.
    pub name: String,
    /// Whether it is the server's side of a request, the client's, or neither.
    pub kind: Kind,
    /// Nanoseconds since 1970.
    pub start_ns: u64,
    /// Nanoseconds since 1970.
    pub end_ns: u64,
    /// Whether its status is an error.
    pub failed: bool,
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
}

/// The side of a request or an event that a span shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The callee.
    Server,
    /// The caller.
    Client,
    /// Whoever told an event.
    Producer,
    /// Whoever heard it.
    Consumer,
    /// Something inside a service.
    #[default]
    Other,
}

impl Span {
    /// An attribute; empty if it is not there.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Nanoseconds between start and end; none where it ended before it began.
    pub fn duration_ns(&self) -> Option<u64> {
        self.end_ns.checked_sub(self.start_ns)
    }

    /// The request it belongs to.
    pub fn request_id(&self) -> &str {
        self.attribute(telemetry::attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID)
    }
}

/// The spans that came since they were last taken; cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<Mutex<Vec<Span>>>);

impl Spans {
    pub(crate) fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.lock())
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listening receiver; dropping it ends it.
pub(crate) struct Receiver {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What came.
    pub(crate) spans: Spans,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_on(0).await
    }

    /// The same on a port of its own.
    pub(crate) async fn start_on(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .context("listen for spans on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let spans = Spans::default();
        let service = TraceServiceServer::new(spans.clone()).max_decoding_message_size(64 << 20);
        let app = tonic::service::Routes::new(service).into_axum_router();
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "span receiver ended");
            }
        });
        Ok(Self {
            address,
            spans,
            serving,
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = Vec::new();
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|it| it.attributes);
            let maker = Arc::new(Resource {
                schema_url: resource.schema_url,
                attributes: texts(attributes.unwrap_or_default()),
            });
            let scopes = resource.scope_spans.into_iter();
            spans.extend(scopes.flat_map(|it| it.spans).map(|it| span(it, &maker)));
        }
        let mut kept = self.lock();
        if kept.len() + spans.len() > MAX_SPANS {
            return Err(Status::resource_exhausted("span buffer full"));
        }
        kept.append(&mut spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn span(it: proto::Span, resource: &Arc<Resource>) -> Span {
    Span {
        kind: match it.kind() {
            SpanKind::Server => Kind::Server,
            SpanKind::Client => Kind::Client,
            SpanKind::Producer => Kind::Producer,
            SpanKind::Consumer => Kind::Consumer,
            _ => Kind::Other,
        },
        trace_id: hex(&it.trace_id),
        id: hex(&it.span_id),
        parent_id: hex(&it.parent_span_id),
        service: resource.attribute(SERVICE_NAME).to_owned(),
        resource: Arc::clone(resource),
        name: it.name,
        start_ns: it.start_time_unix_nano,
        end_ns: it.end_time_unix_nano,
        failed: it.status.is_some_and(|it| it.code() == StatusCode::Error),
        attributes: texts(it.attributes),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|it| it.value) {
        Some(Value::StringValue(it)) => it,
        Some(Value::IntValue(it)) => it.to_string(),
        Some(Value::DoubleValue(it)) => it.to_string(),
        Some(Value::BoolValue(it)) => it.to_string(),
        _ => String::new(),
    };
    let texts = |value: Option<AnyValue>| match value.and_then(|it| it.value) {
        Some(Value::ArrayValue(it)) => {
            let all: Vec<_> = it.values.into_iter().map(|it| text(Some(it))).collect();
            all.join(",")
        }
        other => text(other.map(|it| AnyValue { value: Some(it) })),
    };
    attributes
        .into_iter()
        .map(|it| (it.key, texts(it.value)))
        .collect()
}
