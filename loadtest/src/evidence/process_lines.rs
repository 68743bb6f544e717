//! Reads from the services' logs which events they processed.

use std::{io, path::Path};

use serde::Deserialize;

use super::log_lines;

/// One delivery of an event, as its consumer logged it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProcessLine {
    /// The request that led to the event.
    #[serde(rename = "http.request.id")]
    pub request_id: String,
    /// `span.id`, which the delivery's consumer span has too.
    #[serde(rename = "span.id")]
    pub span_id: String,
    /// Type of the event.
    #[serde(rename = "messaging.destination.name")]
    pub kind: String,
    /// The event's id.
    #[serde(rename = "messaging.message.id")]
    pub event_id: String,
    /// `success` or `failure`.
    #[serde(rename = "event.outcome")]
    pub outcome: String,
}

/// Reads the process lines of `log` from byte `from` on.
///
/// # Errors
/// A log that cannot be read, or a process line that is broken.
pub fn read(log: &Path, from: u64) -> io::Result<Vec<ProcessLine>> {
    log_lines::read(log, from, "process", |line| serde_json::from_slice(line))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_process_line_says_which_event_went_how() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        writeln!(log, r#"{{"event.dataset":"access","span.id":"s"}}"#).unwrap();
        writeln!(
            log,
            r#"{{"trace.id":"t","span.id":"s","http.request.id":"r-1","event.dataset":"process","messaging.destination.name":"order.placed","messaging.message.id":"e-1","messaging.consumer.group.name":"inventory","event.outcome":"success","event.duration":7}}"#
        )
        .unwrap();
        let lines = read(log.path(), 0).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (lines[0].event_id.as_str(), lines[0].outcome.as_str()),
            ("e-1", "success")
        );
    }
}
