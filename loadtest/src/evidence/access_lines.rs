//! Access lines: one for each request that a service served.

use std::time::SystemTime;

use serde::Deserialize;

use super::{
    operation::Operation,
    written::{self, Written},
};

/// One request, as its service logged it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLine {
    /// `http.request.id`.
    pub request_id: String,
    /// `trace.id`.
    pub trace_id: String,
    /// `span.id`, which the request's server span has too.
    pub span_id: String,
    /// What was asked for and how it ended.
    pub operation: Operation,
    /// HTTP status.
    pub status: u16,
    /// `error.type`; empty if it did not fail.
    pub error_type: String,
    /// When it ended.
    pub ended: SystemTime,
    /// `event.duration`, in nanoseconds.
    pub duration_ns: u64,
    /// Who wrote it.
    pub written: Written,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "@timestamp", deserialize_with = "written::time")]
    ended: SystemTime,
    #[serde(rename = "trace.id")]
    trace_id: String,
    #[serde(rename = "span.id")]
    span_id: String,
    #[serde(rename = "http.request.id")]
    request_id: String,
    #[serde(rename = "http.request.method")]
    method: Option<String>,
    #[serde(rename = "labels.http_route", default)]
    route: String,
    #[serde(rename = "http.response.status_code")]
    status: u16,
    #[serde(rename = "labels.rpc_method")]
    rpc_method: Option<String>,
    #[serde(rename = "labels.rpc_response_status_code", default)]
    rpc_status: String,
    #[serde(rename = "error.type", default)]
    error_type: String,
    #[serde(rename = "event.duration")]
    duration_ns: u64,
    #[serde(flatten)]
    written: Written,
}

impl AccessLine {
    pub(super) fn read(line: serde_json::Value) -> Result<Self, serde_json::Error> {
        use serde::de::Error as _;
        let fields: Fields = serde_json::from_value(line)?;
        let operation = match (fields.method, fields.rpc_method) {
            (Some(method), None) => {
                Operation::http(&method, &fields.route, fields.status.to_string())
            }
            (None, Some(name)) => Operation {
                name,
                status: fields.rpc_status,
            },
            _ => return Err(serde_json::Error::custom("neither HTTP nor gRPC")),
        };
        Ok(Self {
            request_id: fields.request_id,
            trace_id: fields.trace_id,
            span_id: fields.span_id,
            operation,
            status: fields.status,
            error_type: fields.error_type,
            ended: fields.ended,
            duration_ns: fields.duration_ns,
            written: fields.written,
        })
    }
}
