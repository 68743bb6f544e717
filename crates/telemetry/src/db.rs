//! Database operations: a sample each, and a client span if the request is sampled.

use std::{borrow::Cow, sync::LazyLock};

use opentelemetry::{KeyValue, trace::SpanKind};

use crate::{
    attributes,
    clock::Began,
    context::CURRENT,
    metrics::{Labels, Latencies, latencies},
    names,
    spans::{self, Finished},
};

static DURATION: LazyLock<Latencies<5>> = LazyLock::new(|| {
    let help = "Duration of one database operation";
    latencies(names::DB_CLIENT_OPERATION_DURATION, help)
});

/// Why a database operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DbFailure {
    /// The database's own code, such as an SQLSTATE: one of a list that its documentation has.
    Code(Cow<'static, str>),
    /// A word for what the database does not say itself, such as `timeout`.
    Reason(&'static str),
}

/// Runs one operation on a database and observes it: `db("sqlite", "SELECT", "products", reason, query)`. `failure` says why it
/// failed.
///
/// Texts of queries and errors go nowhere: they may hold personal data.
pub async fn db<T, E>(
    system: &'static str,
    operation: &'static str,
    collection: &'static str,
    failure: impl FnOnce(&E) -> DbFailure,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let parent = CURRENT.try_with(|it| it.span.clone()).ok();
    let span = spans::below(parent.as_ref());
    let began = Began::now();
    let result = future.await;
    let duration = began.elapsed();
    let (error, code) = match result.as_ref().err().map(failure) {
        Some(DbFailure::Code(code)) => (code.clone(), code),
        Some(DbFailure::Reason(reason)) => (reason.into(), "".into()),
        None => Default::default(),
    };
    let labels = Labels([
        (names::DB_SYSTEM_NAME, system.into()),
        (names::DB_OPERATION_NAME, operation.into()),
        (names::DB_COLLECTION_NAME, collection.into()),
        (names::DB_RESPONSE_STATUS_CODE, code.clone()),
        (names::ERROR_TYPE, error.clone()),
    ]);
    DURATION
        .get_or_create_owned(&labels)
        .observe(duration.as_secs_f64(), &span);
    if spans::wanted(&span) {
        let mut attributes = vec![
            KeyValue::new(attributes::DB_SYSTEM_NAME, system),
            KeyValue::new(attributes::DB_OPERATION_NAME, operation),
        ];
        for (name, value) in [
            (attributes::DB_COLLECTION_NAME, collection.into()),
            (attributes::DB_RESPONSE_STATUS_CODE, code),
            (attributes::ERROR_TYPE, error),
        ] {
            if !value.is_empty() {
                attributes.push(KeyValue::new(name, value));
            }
        }
        spans::export(Finished {
            span,
            parent,
            kind: SpanKind::Client,
            name: format!("{operation} {collection}")
                .trim_end()
                .to_owned()
                .into(),
            start: began.at,
            end: began.at + duration,
            attributes,
            failed: result.is_err(),
        });
    }
    result
}
