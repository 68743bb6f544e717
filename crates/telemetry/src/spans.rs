//! Spans on their way to the collector: a bounded queue, and a task that sends it off in batches.
//!
//! The SDK's batch processor counts what it drops and does not tell; this one does.

use std::{
    borrow::Cow,
    sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Array, InstrumentationScope, KeyValue, Value,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceState},
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::{sync::Notify, time::Instant};

use crate::{
    attributes,
    context::{flags, new_span_id, new_trace_id},
    conventions,
    loss::{self, Signal},
    metrics::{EXPORT_FAILURES, QueueMetrics},
    sampler,
    settings::Batching,
};

/// A span that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) span: SpanContext,
    pub(crate) parent: Option<SpanContext>,
    pub(crate) kind: SpanKind,
    pub(crate) name: Cow<'static, str>,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) failed: bool,
}

static QUEUE: OnceLock<Queue> = OnceLock::new();
static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder("windtunnel-telemetry")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(conventions::SCHEMA_URL)
        .build()
});

/// The captured header that names a request.
pub(crate) fn request_id(id: &str) -> KeyValue {
    let lines = Array::String(vec![id.to_owned().into()]);
    KeyValue::new(
        attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID,
        Value::Array(lines),
    )
}

/// A span below `parent`, or one that begins a trace.
pub(crate) fn below(parent: Option<&SpanContext>) -> SpanContext {
    let (trace, flags, state) = if let Some(it) = parent {
        (it.trace_id(), it.trace_flags(), it.trace_state().clone())
    } else {
        let trace = new_trace_id();
        let sampled = sampler::sampler().keeps(trace, None);
        (trace, flags(None, sampled), TraceState::default())
    };
    SpanContext::new(trace, new_span_id(), flags, false, state)
}

/// Whether a span of this context would go anywhere. Ask before building one.
pub(crate) fn wanted(span: &SpanContext) -> bool {
    span.is_sampled() && QUEUE.get().is_some()
}

/// Queues a span; a full queue loses and counts it.
pub(crate) fn export(finished: Finished) {
    let Some(queue) = QUEUE.get() else { return };
    if loss::strikes(Signal::Traces) {
        return;
    }
    let parent = finished.parent.as_ref();
    queue.push(SpanData {
        parent_span_id: parent.map_or(SpanId::INVALID, SpanContext::span_id),
        parent_span_is_remote: parent.is_some_and(SpanContext::is_remote),
        span_context: finished.span,
        span_kind: finished.kind,
        name: finished.name,
        start_time: finished.start,
        end_time: finished.end,
        attributes: finished.attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if finished.failed {
            Status::error("")
        } else {
            Status::Unset
        },
        instrumentation_scope: SCOPE.clone(),
    });
}

/// Starts sending spans to `exporter`. Must be called inside a Tokio runtime.
pub(crate) fn start(exporter: SpanExporter, batching: Batching) {
    let queue = QUEUE.get_or_init(|| Queue {
        spans: Mutex::default(),
        batching,
        full_batch: Notify::new(),
        metrics: QueueMetrics::of("traces"),
    });
    // There from the start, at zero.
    LazyLock::force(&EXPORT_FAILURES);
    tokio::spawn(queue.run(exporter));
}

/// Waits until everything is sent or given up; false when `timeout` came first.
pub(crate) async fn flush(timeout: Duration) -> bool {
    let Some(queue) = QUEUE.get() else {
        return true;
    };
    let deadline = Instant::now() + timeout;
    while queue.metrics.queued.get() > 0 {
        if Instant::now() >= deadline {
            return false;
        }
        queue.full_batch.notify_one();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

struct Queue {
    spans: Mutex<Vec<SpanData>>,
    batching: Batching,
    full_batch: Notify,
    metrics: QueueMetrics,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<SpanData>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, span: SpanData) {
        let mut spans = self.lock();
        if spans.len() >= self.batching.max_queue {
            drop(spans);
            self.metrics.dropped.inc();
            return;
        }
        spans.push(span);
        let full = spans.len() == self.batching.max_batch;
        self.metrics.queued.inc();
        drop(spans);
        if full {
            self.full_batch.notify_one();
        }
    }

    async fn run(&'static self, exporter: SpanExporter) {
        loop {
            let delay = tokio::time::sleep(self.batching.delay);
            tokio::select! {
                () = delay => (),
                () = self.full_batch.notified() => (),
            }
            let mut waiting = std::mem::take(&mut *self.lock());
            while !waiting.is_empty() {
                let rest = waiting.split_off(waiting.len().min(self.batching.max_batch));
                self.send(&exporter, waiting).await;
                waiting = rest;
            }
        }
    }

    async fn send(&self, exporter: &SpanExporter, batch: Vec<SpanData>) {
        let count = batch.len();
        if let Err(error) = exporter.export(batch).await {
            self.metrics.dropped.inc_by(count as u64);
            EXPORT_FAILURES.inc();
            // Debug: the counters tell, and a collector that is down would fill the log.
            tracing::debug!(%error, spans = count, "span export failed");
        }
        self.metrics
            .queued
            .dec_by(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
