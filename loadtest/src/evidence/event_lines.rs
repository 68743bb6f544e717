//! Lines that are neither an access line nor that of a delivery: what handlers and background work say.

use std::time::SystemTime;

use serde::Deserialize;

use super::written::{self, Written};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventLine {
    /// When it was written.
    #[serde(rename = "@timestamp", deserialize_with = "written::time")]
    pub at: SystemTime,
    /// Who wrote it.
    #[serde(flatten)]
    pub written: Written,
    /// What it says.
    #[serde(default)]
    pub message: String,
    /// The trace it belongs to; empty outside of one.
    #[serde(rename = "trace.id", default)]
    pub trace_id: String,
    /// The span it belongs to.
    #[serde(rename = "span.id", default)]
    pub span_id: String,
    /// The request it belongs to.
    #[serde(rename = "http.request.id", default)]
    pub request_id: String,
    /// The order it is about, if it says so.
    #[serde(rename = "labels.order_id", default)]
    pub order_id: String,
    /// The account it is about, if it says so.
    #[serde(rename = "labels.user_id", default)]
    pub user_id: String,
}
