//! Process lines: one for each delivery of an event that a service processed.

use std::time::SystemTime;

use serde::Deserialize;

use super::written::{self, Written};

/// One delivery of an event, as its consumer logged it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProcessLine {
    /// When it ended.
    #[serde(rename = "@timestamp", deserialize_with = "written::time")]
    pub ended: SystemTime,
    /// The request that led to the event.
    #[serde(rename = "http.request.id")]
    pub request_id: String,
    /// `trace.id`.
    #[serde(rename = "trace.id")]
    pub trace_id: String,
    /// `span.id`, which the delivery's consumer span has too.
    #[serde(rename = "span.id")]
    pub span_id: String,
    /// Type of the event.
    #[serde(rename = "labels.messaging_destination_name")]
    pub kind: String,
    /// The event's id.
    #[serde(rename = "labels.messaging_message_id")]
    pub event_id: String,
    /// The queue it came from.
    #[serde(rename = "labels.messaging_consumer_group_name")]
    pub queue: String,
    /// `success` or `failure`.
    #[serde(rename = "event.outcome")]
    pub outcome: String,
    /// `error.type`; empty if it did not fail.
    #[serde(rename = "error.type", default)]
    pub error_type: String,
    /// `event.duration`, in nanoseconds.
    #[serde(rename = "event.duration")]
    pub duration_ns: u64,
    /// Who wrote it.
    #[serde(flatten)]
    pub written: Written,
}

impl ProcessLine {
    /// Whether the delivery has to come again.
    pub fn failed(&self) -> bool {
        self.outcome != "success"
    }
}
