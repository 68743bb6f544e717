//! Process-wide setup and shutdown.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::Router;
use opentelemetry::KeyValue;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    attributes, exposition,
    logs::{self, EcsLayer},
    sampler,
    segments::Segments,
    settings::{Protocol, Settings},
    spans, writer,
};

/// Starts logs, metrics and traces of the service called `service`. Must be called inside a Tokio runtime. Lines go to standard
/// output, and to files in `log_dir` as well.
///
/// Reads `RUST_LOG` and the standard `OTEL_*` variables and nothing else. Spans are exported over OTLP when
/// `OTEL_EXPORTER_OTLP_ENDPOINT` is set; without it, traces are still continued and handed on.
///
/// # Errors
/// A variable with a value that makes no sense, a directory that cannot be written to, or a second call in the same process.
pub fn init(service: &'static str, log_dir: Option<&Path>) -> anyhow::Result<Telemetry> {
    let settings = Settings::from_env(service)?;
    let subscriber =
        tracing_subscriber::registry().with(EcsLayer.with_filter(settings.filter.clone()));
    subscriber
        .try_init()
        .context("telemetry is already initialized")?;
    logs::set_origin(&settings.service, &settings.instance);
    let segments = log_dir.map(|it| {
        Segments::open(it, &settings.service)
            .with_context(|| format!("begin a log file in {}", it.display()))
    });
    writer::start(segments.transpose()?).context("start the log writer")?;
    sampler::install(settings.sampler);
    if let Some(protocol) = settings.traces {
        spans::start(exporter(protocol, &settings)?, settings.batching);
    }
    Ok(Telemetry(()))
}

fn exporter(protocol: Protocol, settings: &Settings) -> anyhow::Result<SpanExporter> {
    let builder = SpanExporter::builder();
    let mut exporter = match protocol {
        Protocol::Grpc => builder.with_tonic().build(),
        Protocol::HttpProtobuf => builder.with_http().build(),
    }
    .context("read OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let instance = KeyValue::new(attributes::SERVICE_INSTANCE_ID, settings.instance.clone());
    let resource = Resource::builder_empty()
        .with_service_name(settings.service.clone())
        .with_attribute(instance)
        .with_attributes(settings.attributes.clone())
        .build();
    exporter.set_resource(&resource);
    Ok(exporter)
}

/// Keeps telemetry running; [`Telemetry::shutdown`] flushes it.
#[derive(Debug)]
#[must_use = "without a shutdown the last lines and spans are lost"]
pub struct Telemetry(());

impl Telemetry {
    /// Serves `GET /metrics`.
    pub fn router(&self) -> Router {
        exposition::router()
    }

    /// Flushes spans and lines. A collector that is down must not fail the exit: after `timeout` the rest is lost, and
    /// the log says so.
    pub async fn shutdown(self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        if !spans::flush(timeout).await {
            tracing::warn!("spans lost at shutdown: span export timed out");
        }
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(100));
        // Blocks this thread for the last lines; nothing else is left to do.
        writer::flush(left);
    }
}
