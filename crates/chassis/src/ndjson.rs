//! Many rows as one answer: a JSON object a line.

use anyhow::Context as _;
use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use crate::Error;

/// `rows` as `application/x-ndjson`.
pub fn ndjson<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<Response, Error> {
    let mut body = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut body, &row).context("serialize a row")?;
        body.push(b'\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
