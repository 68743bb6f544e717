//! Process-wide setup and shutdown.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::Router;
use opentelemetry::KeyValue;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, resource::TelemetryResourceDetector, trace::SpanExporter as _};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    attributes, conventions, exposition,
    logs::{self, EcsLayer},
    sampler,
    segments::Segments,
    settings::{Protocol, Settings},
    spans, writer,
};

/// Starts logs, metrics and traces of release `version` of the service called `service`. Must be called inside a Tokio runtime.
/// Lines go to standard output, and to files in `log_dir` as well.
///
/// Reads `RUST_LOG` and the standard `OTEL_*` variables and nothing else. Spans are exported over OTLP when
/// `OTEL_EXPORTER_OTLP_ENDPOINT` is set; without it, traces are still continued and handed on.
///
/// # Errors
/// `RUST_LOG` that cannot be read, an endpoint that is no URL, a directory that cannot be written to, or a second call in the
/// same process. Other values that are not understood are warned of and taken for none.
pub fn init(
    service: &'static str,
    version: &'static str,
    log_dir: Option<&Path>,
) -> anyhow::Result<Telemetry> {
    let settings = Settings::from_env(service, version)?;
    let subscriber =
        tracing_subscriber::registry().with(EcsLayer.with_filter(settings.filter.clone()));
    subscriber
        .try_init()
        .context("telemetry is already initialized")?;
    logs::set_origin(&settings.service, &settings.version, &settings.instance);
    let segments = log_dir.map(|it| {
        Segments::open(it, &settings.service)
            .with_context(|| format!("begin a log file in {}", it.display()))
    });
    writer::start(segments.transpose()?).context("start the log writer")?;
    for warning in &settings.warnings {
        tracing::warn!(warning, "environment variable ignored");
    }
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
    exporter.set_resource(&resource(settings));
    Ok(exporter)
}

/// Who the spans are from.
fn resource(settings: &Settings) -> Resource {
    let own = [
        (attributes::SERVICE_VERSION, &settings.version),
        (attributes::SERVICE_INSTANCE_ID, &settings.instance),
    ];
    let own = own.map(|(name, value)| KeyValue::new(name, value.clone()));
    Resource::builder_empty()
        .with_schema_url(settings.attributes.clone(), conventions::SCHEMA_URL)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_service_name(settings.service.clone())
        .with_attributes(own)
        .build()
}

/// Keeps telemetry running; [`Telemetry::shutdown`] flushes it.
#[derive(Debug)]
#[must_use = "without a shutdown the last lines and spans are lost"]
pub struct Telemetry(());

impl Telemetry {
    /// Serves `GET /metrics`.
    pub fn router(&self) -> Router {
        exposition::metrics()
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
