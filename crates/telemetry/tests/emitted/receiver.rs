//! Receives spans over OTLP/gRPC.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1::{self as proto, span::SpanKind, status::StatusCode},
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

/// The spans of one resource in one export.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) schema_url: String,
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) spans: Vec<Span>,
}

#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) failed: bool,
    /// Lists as JSON.
    pub(crate) attributes: BTreeMap<String, String>,
    kind: SpanKind,
}

impl Span {
    /// What the table calls it.
    pub(crate) fn kind(&self) -> &'static str {
        let has = |name: &str| self.attributes.contains_key(name);
        match self.kind {
            SpanKind::Server if has("rpc.system.name") => "gRPC server",
            SpanKind::Server => "HTTP server",
            SpanKind::Client if has("db.system.name") => "database client",
            SpanKind::Client if has("rpc.system.name") => "gRPC client",
            SpanKind::Client => "HTTP client",
            SpanKind::Internal => "rejected call",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
            _ => "other",
        }
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Received>>>);

pub(crate) struct Receiver {
    address: SocketAddr,
    kept: Kept,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let kept = Kept::default();
        let service = TraceServiceServer::new(kept.clone());
        let app = tonic::service::Routes::new(service).into_axum_router();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, kept }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.kept.0.lock().expect("no panic").clone()
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().expect("no panic");
        for it in request.into_inner().resource_spans {
            let scopes = it.scope_spans.into_iter();
            kept.push(Received {
                schema_url: it.schema_url,
                resource: texts(it.resource.map(|it| it.attributes).unwrap_or_default()),
                spans: scopes.flat_map(|it| it.spans).map(span).collect(),
            });
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn span(it: proto::Span) -> Span {
    Span {
        kind: it.kind(),
        name: it.name,
        failed: it.status.is_some_and(|it| it.code() == StatusCode::Error),
        attributes: texts(it.attributes),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let attributes = attributes.into_iter();
    attributes.map(|it| (it.key, text(it.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|it| it.value) {
        Some(any_value::Value::StringValue(it)) => it,
        Some(any_value::Value::IntValue(it)) => it.to_string(),
        Some(any_value::Value::ArrayValue(it)) => {
            let values = it.values.into_iter().map(|it| text(Some(it)));
            format!("{:?}", values.collect::<Vec<_>>())
        }
        other => panic!("{other:?} is of no type that a name of ours has"),
    }
}
