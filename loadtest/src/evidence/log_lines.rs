//! Reads what services wrote to their logs, each line once.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    path::Path,
};

use telemetry::fields;

use super::{access_lines::AccessLine, event_lines::EventLine, process_lines::ProcessLine};

/// The names of a line's fields, and what it says of itself that decides which they have to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// `access, HTTP`, `access, gRPC`, `process` or `event`.
    pub kind: &'static str,
    /// Whether its outcome is a failure.
    pub failed: bool,
    /// Sorted.
    pub names: Vec<String>,
}

/// How many lines have one shape, and one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shaped {
    /// How many.
    pub count: u64,
    /// The request of the first; empty if it has none.
    pub request_id: String,
}

/// Who wrote lines, and who they say that was.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The process that wrote them, by its `service.instance.id`.
    pub process: String,
    /// `service.name`.
    pub service: String,
    /// `service.node.name`.
    pub node: String,
}

/// What the logs of one service say.
#[derive(Debug, Default)]
pub struct Lines {
    /// One for each request that it served.
    pub access: Vec<AccessLine>,
    /// One for each delivery of an event that it processed.
    pub processed: Vec<ProcessLine>,
    /// Whatever else it wrote.
    pub events: Vec<EventLine>,
    /// What all of them look like.
    pub shapes: BTreeMap<Shape, Shaped>,
    /// Who wrote them.
    pub origins: BTreeMap<Origin, Shaped>,
}

type Line = serde_json::Map<String, serde_json::Value>;

impl Lines {
    /// Adds the lines of `log`, which `process` writes, from byte `from` on. What is no JSON object is left out, and so is a half
    /// line at the end, which a process that was killed leaves.
    ///
    /// # Errors
    /// A log that cannot be read, or an access or process line that is broken.
    pub fn read(&mut self, process: &str, log: &Path, from: u64) -> io::Result<()> {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(from))?;
        let mut reader = BufReader::new(file);
        let mut text = Vec::new();
        while reader.read_until(b'\n', &mut text)? > 0 && text.ends_with(b"\n") {
            if let Ok(line) = serde_json::from_slice::<Line>(&text) {
                self.add(process, line)
                    .map_err(|error| broken(log, &text, &error))?;
            }
            text.clear();
        }
        Ok(())
    }

    fn add(&mut self, process: &str, line: Line) -> Result<(), serde_json::Error> {
        let text = |name: &str| line.get(name).and_then(serde_json::Value::as_str);
        let owned = |name: &str| text(name).unwrap_or_default().to_owned();
        let kind = match text(fields::EVENT_DATASET) {
            Some("access") if line.contains_key(fields::RPC_METHOD) => "access, gRPC",
            Some("access") => "access, HTTP",
            Some("process") => "process",
            _ => "event",
        };
        let shape = Shape {
            kind,
            failed: text(fields::EVENT_OUTCOME) == Some("failure"),
            names: line.keys().cloned().collect(),
        };
        let origin = Origin {
            process: process.to_owned(),
            service: owned(fields::SERVICE_NAME),
            node: owned(fields::SERVICE_NODE_NAME),
        };
        let first = || Shaped {
            count: 0,
            request_id: owned(fields::HTTP_REQUEST_ID),
        };
        self.shapes.entry(shape).or_insert_with(first).count += 1;
        self.origins.entry(origin).or_insert_with(first).count += 1;
        let line = serde_json::Value::Object(line);
        match kind {
            "process" => self.processed.push(serde_json::from_value(line)?),
            "event" => self
                .events
                .extend(serde_json::from_value::<EventLine>(line)),
            _ => self.access.push(AccessLine::read(line)?),
        }
        Ok(())
    }
}

fn broken(log: &Path, line: &[u8], error: &serde_json::Error) -> io::Error {
    let line = String::from_utf8_lossy(line);
    let text = format!("{}: malformed line ({error}): {line}", log.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, time::Duration};

    use super::*;

    const HTTP: &str = r#"{"@timestamp":"2026-11-24T01:02:03.000004Z","log.level":"info","trace.id":"t","span.id":"s","http.request.id":"a-1","message":"request served","event.dataset":"access","http.request.method":"GET","labels.http_route":"/products","http.response.status_code":200,"event.outcome":"success","event.duration":1500000,"service.name":"catalog","service.node.name":"catalog-1"}"#;
    const GRPC: &str = r#"{"@timestamp":"2026-11-24T01:02:03Z","log.level":"error","trace.id":"t","span.id":"s","http.request.id":"a-2","event.dataset":"access","labels.rpc_method":"p.S/M","labels.rpc_response_status_code":"INTERNAL","http.response.status_code":200,"event.outcome":"failure","error.type":"INTERNAL","event.duration":7}"#;
    const PROCESSED: &str = r#"{"@timestamp":"2026-11-24T01:02:03Z","log.level":"info","trace.id":"t","span.id":"s","http.request.id":"r-1","event.dataset":"process","labels.messaging_destination_name":"order.placed","labels.messaging_message_id":"e-1","labels.messaging_consumer_group_name":"inventory","event.outcome":"success","event.duration":7}"#;
    const EVENT: &str =
        r#"{"@timestamp":"2026-11-24T01:02:03Z","log.level":"info","message":"ready"}"#;

    fn read(text: &str, from: u64) -> io::Result<Lines> {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        write!(log, "{text}").unwrap();
        let mut lines = Lines::default();
        lines.read("catalog-1.1", log.path(), from)?;
        Ok(lines)
    }

    #[test]
    fn whole_lines_from_the_mark_on_are_read_by_their_kind() {
        let text = format!(
            "{HTTP}\n{EVENT}\n{HTTP}\nnot JSON\n{GRPC}\n{PROCESSED}\n{}",
            &HTTP[..200]
        );
        let lines = read(&text, u64::try_from(HTTP.len()).unwrap() + 1).unwrap();
        let [http, grpc] = &lines.access[..] else {
            panic!("{:?}", lines.access)
        };
        assert_eq!(http.operation.name, "GET /products");
        assert_eq!((grpc.operation.name.as_str(), grpc.status), ("p.S/M", 200));
        assert_eq!(grpc.operation.status, "INTERNAL");
        assert_eq!(grpc.error_type, "INTERNAL");
        assert_eq!(http.written.node, "catalog-1");
        let gap = http.ended.duration_since(grpc.ended).unwrap();
        assert_eq!(gap, Duration::from_micros(4));
        let [processed] = &lines.processed[..] else {
            panic!("{:?}", lines.processed)
        };
        assert_eq!(
            (processed.event_id.as_str(), processed.failed()),
            ("e-1", false)
        );
        assert_eq!(lines.events.len(), 1);
        let kinds: Vec<_> = lines.shapes.keys().map(|it| (it.kind, it.failed)).collect();
        let expected = [
            ("access, HTTP", false),
            ("access, gRPC", true),
            ("event", false),
            ("process", false),
        ];
        assert_eq!(kinds, expected);
        let said = Origin {
            process: "catalog-1.1".into(),
            service: "catalog".into(),
            node: "catalog-1".into(),
        };
        assert_eq!(lines.origins[&said].count, 1);
    }

    #[test]
    fn a_broken_access_line_is_an_error() {
        let broken = HTTP.replace("\"http.request.id\":\"a-1\",", "");
        let error = read(&format!("{broken}\n"), 0).unwrap_err();
        assert!(error.to_string().contains("http.request.id"));
    }
}
