//! Reads access lines from the services' logs.

use std::{io, path::Path, time::SystemTime};

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{log_lines, operation::Operation};

/// One request, as its service logged it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLine {
    /// `http.request.id`.
    pub request_id: String,
    /// `span.id`, which the request's server span has too.
    pub span_id: String,
    /// What was asked for and how it ended.
    pub operation: Operation,
    /// When it ended.
    pub ended: SystemTime,
    /// `event.duration`, in nanoseconds.
    pub duration_ns: u64,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    #[serde(rename = "span.id")]
    span_id: String,
    #[serde(rename = "http.request.id")]
    request_id: String,
    #[serde(rename = "http.request.method")]
    method: Option<String>,
    #[serde(rename = "http.route")]
    route: Option<String>,
    #[serde(rename = "http.response.status_code")]
    status: u16,
    #[serde(rename = "rpc.method")]
    rpc_method: Option<String>,
    #[serde(rename = "rpc.response.status_code")]
    rpc_status: Option<String>,
    #[serde(rename = "event.duration")]
    duration_ns: u64,
}

impl AccessLine {
    fn read(line: &[u8]) -> Result<Self, serde_json::Error> {
        use serde::de::Error as _;
        let fields: Fields = serde_json::from_slice(line)?;
        let ended = OffsetDateTime::parse(&fields.timestamp, &Rfc3339)
            .map_err(serde_json::Error::custom)?;
        let operation = match (fields.method, fields.route, fields.rpc_method) {
            (Some(method), Some(route), None) => Operation {
                name: format!("{method} {route}"),
                status: fields.status.to_string(),
            },
            (None, None, Some(name)) => Operation {
                name,
                status: fields.rpc_status.unwrap_or_default(),
            },
            _ => return Err(serde_json::Error::custom("neither HTTP nor gRPC")),
        };
        Ok(Self {
            request_id: fields.request_id,
            span_id: fields.span_id,
            operation,
            ended: ended.into(),
            duration_ns: fields.duration_ns,
        })
    }
}

/// Reads the access lines of `log` from byte `from` on.
///
/// # Errors
/// A log that cannot be read, or an access line that is broken.
pub fn read(log: &Path, from: u64) -> io::Result<Vec<AccessLine>> {
    log_lines::read(log, from, "access", AccessLine::read)
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, time::Duration};

    use super::*;

    const HTTP: &str = r#"{"@timestamp":"2026-11-24T01:02:03.000004Z","log.level":"info","trace.id":"t","span.id":"s","http.request.id":"a-1","message":"request served","event.dataset":"access","http.request.method":"GET","http.route":"/products","http.response.status_code":200,"event.duration":1500000}"#;
    const GRPC: &str = r#"{"@timestamp":"2026-11-24T01:02:03Z","span.id":"s","http.request.id":"a-2","event.dataset":"access","rpc.method":"p.S/M","rpc.response.status_code":"OK","http.response.status_code":200,"event.duration":7}"#;

    #[test]
    fn only_whole_access_lines_from_the_mark_on_are_read() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        writeln!(log, "{HTTP}").unwrap();
        let mark = log.as_file().metadata().unwrap().len();
        writeln!(log, "{{\"message\":\"ready\"}}\n{HTTP}\nnot JSON\n{GRPC}").unwrap();
        write!(log, "{}", &HTTP[..200]).unwrap();
        let lines = read(log.path(), mark).unwrap();
        let names: Vec<_> = lines
            .iter()
            .map(|it| (it.request_id.as_str(), it.operation.name.as_str()))
            .collect();
        assert_eq!(names, [("a-1", "GET /products"), ("a-2", "p.S/M")]);
        assert_eq!(lines[1].operation.status, "OK");
        let gap = lines[0].ended.duration_since(lines[1].ended).unwrap();
        assert_eq!(gap, Duration::from_micros(4));
    }

    #[test]
    fn a_broken_access_line_is_an_error() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        writeln!(log, "{}", HTTP.replace("\"http.request.id\":\"a-1\",", "")).unwrap();
        let error = read(log.path(), 0).unwrap_err();
        assert!(error.to_string().contains("http.request.id"));
    }
}
