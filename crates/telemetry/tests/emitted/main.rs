//! Whatever telemetry emits says what the tables of `conventions.md` ask for, and nothing else.
//!
//! A process of its own emits every kind of telemetry with each of its endings; this one receives its spans, its lines and its
//! metrics, and looks at them.

mod everything;
mod receiver;

use std::{
    collections::BTreeSet,
    env,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use telemetry::{
    conventions::{self, Names},
    fields,
};

use self::receiver::{Received, Receiver};

/// Set where this process is the one that emits.
const EMITS: &str = "TELEMETRY_TEST_EMITS";

#[tokio::main]
async fn main() {
    if env::var_os(EMITS).is_some() {
        return everything::emit().await;
    }
    let receiver = Receiver::start().await;
    let output = emit(&receiver.url()).await;
    let metrics = String::from_utf8(output.stderr).expect("metrics are text");
    assert!(output.status.success(), "{metrics}");
    let lines = String::from_utf8(output.stdout).expect("lines are text");

    check_resources(&receiver.received());
    check_spans(&receiver.received());
    check_metrics(&metrics);
    check_lines(&lines);
    let said = "resources, spans, metrics and lines say what the tables ask for\n";
    let told = std::io::stdout().write_all(said.as_bytes());
    told.expect("who started this reads");
}

async fn emit(endpoint: &str) -> Output {
    let program = env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command
        .env_clear()
        .env(EMITS, "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_TRACES_SAMPLER", "always_on")
        .env("OTEL_BSP_SCHEDULE_DELAY", "soon")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.instance.id=one,team=a%20b",
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output());
    output
        .await
        .expect("no panic")
        .expect("this program starts")
}

fn check_resources(received: &[Received]) {
    assert!(!received.is_empty(), "no span came");
    for it in received {
        assert_eq!(it.schema_url, conventions::SCHEMA_URL);
        let names = it.resource.keys().map(String::as_str);
        assert_eq!(conventions::resource().faults(false, names), [""; 0]);
        assert_eq!(it.resource["service.name"], "test");
        assert_eq!(it.resource["service.version"], "1.2.3");
        assert_eq!(it.resource["service.instance.id"], "one");
        assert_eq!(it.resource["team"], "a b");
    }
}

/// What each kind of span has to have shown here: its names, and whether one of them failed.
const SPANS: [(&str, &[&str]); 8] = [
    (
        "HTTP server",
        &[
            "GET /ok/{id}",
            "GET /broken",
            "GET /crowded",
            "GET",
            "HTTP /ok/{id}",
            "HTTP",
        ],
    ),
    ("gRPC server", &["test.Things/Get", "_OTHER"]),
    ("HTTP client", &["GET /ok/{id}", "HTTP /ok/{id}"]),
    ("gRPC client", &["test.Things/Get"]),
    ("rejected call", &["GET /ok/{id}", "test.Things/Get"]),
    ("database client", &["SELECT things", "SELECT"]),
    ("producer", &["send thing.made"]),
    ("consumer", &["process thing.made"]),
];

fn check_spans(received: &[Received]) {
    let spans = || received.iter().flat_map(|it| &it.spans);
    for (kind, expected) in SPANS {
        let table = conventions::span(kind).expect("it is in the table");
        let of_kind: Vec<_> = spans().filter(|it| it.kind() == kind).collect();
        let called: BTreeSet<_> = of_kind.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(called, expected.iter().copied().collect(), "{kind}");
        for failed in [false, true] {
            // A rejection is a failure in any case.
            let expected = failed || kind != "rejected call";
            assert_eq!(
                of_kind.iter().any(|it| it.failed == failed),
                expected,
                "{kind} {failed}"
            );
        }
        for span in of_kind {
            let names = span.attributes.keys().map(String::as_str);
            let faults = table.faults(span.failed, names);
            assert!(faults.is_empty(), "{kind} {span:?}: {faults:?}");
            assert!(
                span.attributes.values().all(|it| !it.is_empty()),
                "{span:?}"
            );
            if let Some(url) = span.attributes.get("url.full") {
                assert_eq!(url, "http://127.0.0.1:4711/ok/7", "no query is told");
            }
            if let Some(id) = span.attributes.get("http.request.header.x-request-id") {
                assert!(id.starts_with("[\""), "{id} is no list");
            }
        }
    }
    let known: BTreeSet<_> = SPANS.iter().map(|it| it.0).collect();
    assert!(spans().all(|it| known.contains(it.kind())));
}

fn check_metrics(text: &str) {
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|it| !it.starts_with('#')) {
        let line = line.split_once(" # ").map_or(line, |it| it.0);
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let (table, part) = metric(name);
        let labels = labels.trim_end_matches('}').split("\",");
        let labels = labels.filter_map(|it| Some(it.split_once('=')?.0));
        let labels = labels.filter(|it| part != "_bucket" || *it != "le");
        let faults = table.faults(false, labels);
        assert!(faults.is_empty(), "{line}: {faults:?}");
        seen.insert(table.kind);
    }
    for histogram in [
        telemetry::names::HTTP_SERVER_REQUEST_DURATION,
        telemetry::names::HTTP_CLIENT_REQUEST_DURATION,
        telemetry::names::RPC_SERVER_CALL_DURATION,
        telemetry::names::RPC_CLIENT_CALL_DURATION,
        telemetry::names::DB_CLIENT_OPERATION_DURATION,
        telemetry::names::MESSAGING_CLIENT_OPERATION_DURATION,
        telemetry::names::MESSAGING_PROCESS_DURATION,
        telemetry::names::HTTP_SERVER_ACTIVE_REQUESTS,
        telemetry::names::CLIENT_CALLS_REJECTED,
        telemetry::names::TELEMETRY_QUEUED,
        telemetry::names::PROCESS_START_TIME_SECONDS,
    ] {
        assert!(seen.contains(histogram), "{histogram} is not there");
    }
}

/// The metric that a sample is of, and which part of it.
fn metric(name: &str) -> (&'static Names, &'static str) {
    let parts = ["", "_bucket", "_sum", "_count"].into_iter();
    let mut found = parts.filter_map(|part| {
        let metric = conventions::metric(name.strip_suffix(part)?)?;
        Some((metric, part))
    });
    found
        .next()
        .unwrap_or_else(|| panic!("{name} is not in the table"))
}

fn check_lines(text: &str) {
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let fields: serde_json::Map<String, Value> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let kind = match fields.get(fields::EVENT_DATASET).and_then(Value::as_str) {
            Some("access") if fields.contains_key(fields::RPC_METHOD) => "access, gRPC",
            Some("access") => "access, HTTP",
            Some("process") => "process",
            _ => "event",
        };
        let table = conventions::line(kind).expect("it is in the table");
        let failed = fields.get(fields::EVENT_OUTCOME) == Some(&"failure".into());
        let faults = table.faults(failed, fields.keys().map(String::as_str));
        assert!(faults.is_empty(), "{kind} {line}: {faults:?}");
        for (name, value) in &fields {
            let keyword = !name.starts_with(fields::LABELS) || value.is_string();
            assert!(keyword, "{name} is no keyword: {line}");
            let object = name
                .strip_prefix(fields::LABELS)
                .is_some_and(|it| it.contains('.'));
            assert!(!object, "{name} makes an object of a label");
        }
        seen.insert((kind, failed));
    }
    let expected = [
        ("access, HTTP", false),
        ("access, HTTP", true),
        ("access, gRPC", false),
        ("access, gRPC", true),
        ("process", false),
        ("process", true),
        ("event", false),
    ];
    assert_eq!(seen, expected.into());
    let ignored =
        "OTEL_BSP_SCHEDULE_DELAY ignored: expected a positive integer, found \\\"soon\\\"";
    assert!(text.contains(ignored), "{text}");
}
