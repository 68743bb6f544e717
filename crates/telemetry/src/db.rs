//! Database operations: a sample each, and a client span if the request is sampled.

use std::{
    fmt::Display,
    sync::LazyLock,
    time::{Instant, SystemTime},
};

use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanKind},
};

use crate::{
    attributes,
    context::{CURRENT, new_span_id},
    metrics::{Labels, Latencies, latencies},
    names,
    spans::{self, Finished},
};

static DURATION: LazyLock<Latencies<4>> = LazyLock::new(|| {
    let help = "Duration of one database operation";
    latencies(names::DB_CLIENT_OPERATION_DURATION, help)
});

/// Runs one operation on a database and observes it: `db("sqlite", "SELECT", "products", query)`.
///
/// Texts of queries and errors go nowhere: they may hold personal data.
pub async fn db<T, E: Display>(
    system: &'static str,
    operation: &'static str,
    collection: &'static str,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let (start, clock) = (SystemTime::now(), Instant::now());
    let result = future.await;
    let duration = clock.elapsed();
    let parent = CURRENT
        .try_with(|it| it.span.clone())
        .unwrap_or(SpanContext::NONE);
    let error = if result.is_err() { "_OTHER" } else { "" };
    let labels = Labels([
        (names::DB_SYSTEM_NAME, system.into()),
        (names::DB_OPERATION_NAME, operation.into()),
        (names::DB_COLLECTION_NAME, collection.into()),
        (names::ERROR_TYPE, error.into()),
    ]);
    DURATION
        .get_or_create_owned(&labels)
        .observe(duration.as_secs_f64(), &parent);
    if spans::wanted(&parent) {
        spans::export(Finished {
            span: SpanContext::new(
                parent.trace_id(),
                new_span_id(),
                parent.trace_flags(),
                false,
                parent.trace_state().clone(),
            ),
            parent: Some(parent),
            kind: SpanKind::Client,
            name: format!("{operation} {collection}").into(),
            start,
            end: start + duration,
            attributes: vec![
                KeyValue::new(attributes::DB_SYSTEM_NAME, system),
                KeyValue::new(attributes::DB_OPERATION_NAME, operation),
                KeyValue::new(attributes::DB_COLLECTION_NAME, collection),
            ],
            failed: result.is_err(),
        });
    }
    result
}
