//! Log lines: one JSON object each, in the field names of the Elastic Common Schema (ECS).
//!
//! Whatever a line says of a request it takes from the request's context. Fields of an event stand under `labels.`, so
//! they can neither replace one of ours nor each other.

use std::{
    cell::RefCell,
    fmt,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use opentelemetry::trace::SpanContext;
use time::{OffsetDateTime, UtcDateTime};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer};

use crate::{
    clock,
    context::{CURRENT, RequestContext, write_hex},
    conventions::ECS_VERSION,
    fields, writer,
};

/// What every line of this process ends with: who wrote it.
static ORIGIN: OnceLock<Vec<u8>> = OnceLock::new();

/// Names the service, its release and the replica in every line from now on.
pub(crate) fn set_origin(service: &str, version: &str, instance: &str) {
    let mut tail = Vec::new();
    for (name, value) in [
        (fields::SERVICE_NAME, service),
        (fields::SERVICE_VERSION, version),
        (fields::SERVICE_NODE_NAME, instance),
        (fields::ECS_VERSION, ECS_VERSION),
    ] {
        write_text(&mut tail, name, value);
    }
    tail.extend_from_slice(b"}\n");
    // A second `init` in one process fails before it comes here.
    let _ = ORIGIN.set(tail);
}

/// Writes one line: `fill` appends the fields, each with a comma before it.
pub(crate) fn line(
    at: SystemTime,
    level: &str,
    context: Option<&RequestContext>,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let format = |line: &mut Vec<u8>| {
        line.clear();
        line.extend_from_slice(b"{\"@timestamp\":\"");
        write_timestamp(line, at);
        line.extend_from_slice(b"\",\"log.level\":\"");
        line.extend_from_slice(level.as_bytes());
        line.push(b'"');
        if let Some(RequestContext { span, .. }) = context {
            write_span(line, span);
        }
        if let Some(context) = context {
            write_plain(line, fields::HTTP_REQUEST_ID, context.request_id());
        }
        fill(line);
        line.extend_from_slice(ORIGIN.get().map_or(b"}\n", Vec::as_slice));
        writer::write(line);
    };
    // A `Debug` implementation that logs while it is being logged finds the buffer taken: it gets one of its own.
    BUFFER.with(|it| match it.try_borrow_mut() {
        Ok(mut line) => format(&mut line),
        Err(_) => format(&mut Vec::new()),
    });
}

fn write_span(line: &mut Vec<u8>, span: &SpanContext) {
    line.extend_from_slice(b",\"trace.id\":\"");
    write_hex(line, &span.trace_id().to_bytes());
    line.extend_from_slice(b"\",\"span.id\":\"");
    write_hex(line, &span.span_id().to_bytes());
    line.push(b'"');
}

/// Appends a field whose value needs no escaping.
pub(crate) fn write_plain(line: &mut Vec<u8>, name: &str, value: &str) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":\"");
    line.extend_from_slice(value.as_bytes());
    line.push(b'"');
}

/// Appends a field, its value escaped: no text can end its string, let alone its line.
pub(crate) fn write_text(line: &mut Vec<u8>, name: &str, value: &str) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
    serde_json::to_writer(line, value).expect("text is JSON, and a Vec takes everything");
}

/// Appends a number.
pub(crate) fn write_number(line: &mut Vec<u8>, name: &str, value: impl fmt::Display) {
    use std::io::Write as _;
    write!(line, ",\"{name}\":{value}").expect("a Vec takes everything");
}

/// RFC 3339 in UTC with microseconds. The part down to the second is formatted once a second.
fn write_timestamp(line: &mut Vec<u8>, at: SystemTime) {
    thread_local! {
        static SECOND: RefCell<(u64, [u8; 20])> = const { RefCell::new((u64::MAX, [0; 20])) };
    }
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            *text = format_second(at);
        }
        line.extend_from_slice(text);
    });
    let mut micros = since.subsec_micros();
    let mut digits = *b"000000Z";
    for digit in digits[..6].iter_mut().rev() {
        *digit = b'0' + u8::try_from(micros % 10).expect("one digit");
        micros /= 10;
    }
    line.extend_from_slice(&digits);
}

fn format_second(at: SystemTime) -> [u8; 20] {
    let at = UtcDateTime::from(OffsetDateTime::from(at));
    let (date, time) = (at.date(), at.time());
    let text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    text.as_bytes().try_into().expect("a year of four digits")
}

/// Turns `tracing` events into lines.
#[derive(Debug)]
pub(crate) struct EcsLayer;

impl<S: Subscriber> Layer<S> for EcsLayer {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let context = CURRENT.try_with(Clone::clone).ok();
        line(clock::now(), level, context.as_ref(), |line| {
            write_text(line, fields::LOG_LOGGER, metadata.target());
            event.record(&mut Fields(line));
        });
    }
}

struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    fn name(field: &Field) -> String {
        match field.name() {
            "message" => fields::MESSAGE.to_owned(),
            "error" => fields::ERROR_MESSAGE.to_owned(),
            // Labels hold no objects, so no dots. Names are identifiers and dotted paths, or literals of the source: still no
            // reason to trust them.
            name => format!("{}{}", fields::LABELS, name.replace(['"', '\\', '.'], "_")),
        }
    }
}

impl Visit for Fields<'_> {
    /// Numbers and truth values come here too: a label is a keyword, whatever its value.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write_text(self.0, &Self::name(field), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write_text(self.0, &Self::name(field), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        write_text(self.0, &Self::name(field), &value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_rfc_3339() {
        let at = SystemTime::UNIX_EPOCH + Duration::new(1_795_464_719, 4_500);
        let mut line = Vec::new();
        write_timestamp(&mut line, at);
        assert_eq!(line, b"2026-11-23T20:11:59.000004Z");
    }

    #[test]
    fn no_text_can_end_its_line_or_its_string() {
        let hostile = "a\"},\n{\"log.level\":\"error\"\r\u{0}\u{1b}[31m\u{7f}";
        let mut line = b"{\"first\":1".to_vec();
        write_text(&mut line, "text", hostile);
        line.push(b'}');
        assert!(!line.iter().any(u8::is_ascii_control) || line.ends_with(b"}"));
        assert!(!line.contains(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["text"], hostile);
    }
}
