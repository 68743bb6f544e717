//! The registry of this process, and histograms whose handles are looked up once.

use std::{
    borrow::Cow,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use opentelemetry::trace::SpanContext;
use prometheus_client::{
    encoding::{EncodeLabelSet, LabelSetEncoder},
    metrics::{counter::Counter, exemplar::HistogramWithExemplars, family::Family, gauge::Gauge},
    registry::{Metric, Registry, Unit},
};

use crate::{
    loss::{self, Signal},
    names, process,
};

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(|| {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(process::Process));
    Mutex::new(registry)
});

pub(crate) fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds `metric` to `/metrics` under the full name that Prometheus will show, suffix and unit included. Call it once for
/// each name, from a `LazyLock`.
pub fn register<M: Metric + Clone>(name: &str, help: &str, metric: M) -> M {
    let mut registry = registry();
    let base = name.strip_suffix("_total").unwrap_or(name);
    if let Some(base) = base.strip_suffix("_seconds") {
        registry.register_with_unit(base, help, Unit::Seconds, metric.clone());
    } else if let Some(base) = base.strip_suffix("_bytes") {
        registry.register_with_unit(base, help, Unit::Bytes, metric.clone());
    } else {
        registry.register(base, help, metric.clone());
    }
    metric
}

/// What an exemplar points at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TraceLabels {
    trace_id: String,
    span_id: String,
}

/// Seconds, with an exemplar of a sampled trace for each bucket; cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Latency(HistogramWithExemplars<TraceLabels>);

impl Latency {
    fn new() -> Self {
        Self(HistogramWithExemplars::new(
            names::LATENCY_BUCKETS.into_iter(),
        ))
    }

    /// Records one duration. Prometheus stamps the exemplar with the time of the scrape.
    pub(crate) fn observe(&self, seconds: f64, span: &SpanContext) {
        if loss::strikes(Signal::Metrics) {
            return;
        }
        let exemplar = span.is_sampled().then(|| TraceLabels {
            trace_id: span.trace_id().to_string(),
            span_id: span.span_id().to_string(),
        });
        self.0.observe(seconds, exemplar, None);
    }
}

impl prometheus_client::encoding::EncodeMetric for Latency {
    fn encode(
        &self,
        encoder: prometheus_client::encoding::MetricEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        <HistogramWithExemplars<TraceLabels> as prometheus_client::metrics::TypedMetric>::TYPE
    }
}

impl prometheus_client::metrics::TypedMetric for Latency {
    const TYPE: prometheus_client::metrics::MetricType =
        prometheus_client::metrics::MetricType::Histogram;
}

/// Label names with their values, in order. Values are text; an empty one means that the label does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Labels<const N: usize>(pub(crate) [(&'static str, Cow<'static, str>); N]);

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        for pair in &self.0 {
            prometheus_client::encoding::EncodeLabel::encode(
                &(pair.0, pair.1.as_ref()),
                encoder.encode_label(),
            )?;
        }
        Ok(())
    }
}

/// A latency histogram by labels.
pub(crate) type Latencies<const N: usize> = Family<Labels<N>, Latency, fn() -> Latency>;

/// Registers a latency histogram.
pub(crate) fn latencies<const N: usize>(name: &str, help: &str) -> Latencies<N> {
    register(
        name,
        help,
        Family::new_with_constructor(Latency::new as fn() -> Latency),
    )
}

static ACTIVE: LazyLock<Family<Labels<2>, Gauge>> = LazyLock::new(|| {
    let help = "Requests in flight, HTTP and gRPC";
    register(names::HTTP_SERVER_ACTIVE_REQUESTS, help, Family::default())
});

/// Requests with this method that are being served now.
pub(crate) fn active(method: &'static str) -> Gauge {
    ACTIVE.get_or_create_owned(&Labels([
        (names::HTTP_REQUEST_METHOD, method.into()),
        (names::URL_SCHEME, SCHEME.into()),
    ]))
}

/// What our listeners speak.
pub(crate) const SCHEME: &str = "http";

/// What a bounded queue tells of itself.
#[derive(Debug)]
pub(crate) struct QueueMetrics {
    pub(crate) dropped: Counter,
    pub(crate) queued: Gauge,
}

type BySignal<M> = Family<Labels<1>, M>;

static DROPPED: LazyLock<BySignal<Counter>> = LazyLock::new(|| {
    let help = "Log lines and spans dropped because a queue was full or a write or export failed";
    register(names::TELEMETRY_DROPPED, help, Family::default())
});

static QUEUED: LazyLock<BySignal<Gauge>> = LazyLock::new(|| {
    let help = "Log lines and spans queued, not yet written or exported";
    register(names::TELEMETRY_QUEUED, help, Family::default())
});

/// Batches the collector did not take.
pub(crate) static EXPORT_FAILURES: LazyLock<Counter> = LazyLock::new(|| {
    let help = "Failed exports of span batches";
    register(names::TELEMETRY_EXPORT_FAILURES, help, Counter::default())
});

impl QueueMetrics {
    pub(crate) fn of(signal: &'static str) -> Self {
        let labels = Labels([(names::SIGNAL, signal.into())]);
        Self {
            dropped: DROPPED.get_or_create_owned(&labels),
            queued: QUEUED.get_or_create_owned(&labels),
        }
    }
}
