//! Whatever was done, something asked for it; and the replica that was called is the one that answered.

use telemetry::attributes;

use super::{
    facts::{Facts, kind},
    findings::Findings,
};
use crate::{
    deployment::Service,
    evidence::{
        Testimony,
        event_lines::EventLine,
        otlp::{Kind, Span},
    },
    verdict::Check,
};

/// What background work does with a database: the relay empties the outbox, old entries are forgotten, and orders whose time is
/// over are cancelled.
const BACKGROUND_QUERIES: [&str; 7] = [
    "SELECT outbox",
    "UPDATE outbox",
    "DELETE outbox",
    "DELETE inbox",
    "DELETE idempotency",
    "UPDATE orders",
    "INSERT outbox",
];
/// What background work asks of other services.
const BACKGROUND_CALLS: [&str; 1] = ["/.well-known/jwks.json"];
/// Events that no request leads to: an order whose time is over.
const BACKGROUND_EVENTS: [&str; 1] = ["order.cancelled"];
/// Lines about an order or an account that no request leads to.
const BACKGROUND_LINES: [&str; 2] = [
    "order timed out and was cancelled",
    "admin password set from file",
];

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, span) in facts.spans() {
        findings.look();
        let wrong = match facts.parent(span) {
            None => orphan(service, span),
            Some(parent) => stepchild(facts, service, span, parent),
        };
        if let Some(said) = wrong {
            let about = format!("{service}: {} {}", kind(span), span.name);
            findings.add(about, facts.request(span), || said);
        }
    }
    for (service, testimony) in facts.testimonies() {
        lines(facts, service, testimony, &mut findings);
    }
    findings.into_check(
        "everything has its cause",
        "spans and lines",
        "spans below what asked for them, lines in the trace they were written in",
    )
}

/// What is wrong with a span whose parent is not there.
fn orphan(service: Service, span: &Span) -> Option<String> {
    let background = |name: &str, known: &[&str]| known.contains(&span.attribute(name));
    let expected = span.parent_id.is_empty()
        && match kind(span) {
            "HTTP server" | "gRPC server" => service.is_public(),
            "database client" => BACKGROUND_QUERIES.contains(&span.name.as_str()),
            "HTTP client" | "rejected call" => {
                background(attributes::URL_TEMPLATE, &BACKGROUND_CALLS)
            }
            "producer" => background(attributes::MESSAGING_DESTINATION_NAME, &BACKGROUND_EVENTS),
            _ => false,
        };
    if expected {
        return None;
    }
    Some(match span.parent_id.as_str() {
        "" => "it begins a trace, and something must have asked for it".to_owned(),
        id => format!("its parent {id} was not exported"),
    })
}

/// What is wrong with the parent of a span.
fn stepchild(facts: &Facts<'_>, service: Service, span: &Span, parent: &Span) -> Option<String> {
    if parent.trace_id != span.trace_id {
        return Some(format!("its parent {} is of another trace", parent.name));
    }
    let named = |it: &Span, name: &str| it.attribute(name).to_owned();
    let differs = |what: &str, own: String, other: String| {
        (own != other).then(|| format!("{what} is {own:?} here and {other:?} at its parent"))
    };
    match span.kind {
        Kind::Server if parent.kind != Kind::Client => {
            Some(format!("its parent {} is no call", parent.name))
        }
        Kind::Server => answered(facts, service, span, parent),
        Kind::Consumer if parent.kind != Kind::Producer => {
            Some(format!("its parent {} sent nothing", parent.name))
        }
        Kind::Consumer => [
            attributes::MESSAGING_MESSAGE_ID,
            attributes::MESSAGING_DESTINATION_NAME,
        ]
        .into_iter()
        .find_map(|name| differs(name, named(span, name), named(parent, name))),
        _ if span.service != parent.service => Some(format!(
            "its parent {} is of {}",
            parent.name, parent.service
        )),
        _ if matches!(parent.kind, Kind::Server | Kind::Consumer) => None,
        _ => Some(format!("its parent {} handles nothing", parent.name)),
    }
}

/// What a call and the span of its callee say differently.
fn answered(facts: &Facts<'_>, service: Service, span: &Span, call: &Span) -> Option<String> {
    let told = call.attribute(attributes::SERVER_ADDRESS);
    if told != service.name() {
        return Some(format!("it was a call to {told:?}"));
    }
    let instance = span.resource.attribute(attributes::SERVICE_INSTANCE_ID);
    let place = facts.evidence[&service].processes.get(instance);
    let port = place.map(|it| it.port().to_string()).unwrap_or_default();
    let called = call.attribute(attributes::NETWORK_PEER_PORT);
    if port != called {
        return Some(format!(
            "{instance} at port {port} answered, and port {called} was called"
        ));
    }
    for (asked, served) in [
        (
            attributes::HTTP_REQUEST_METHOD,
            attributes::HTTP_REQUEST_METHOD,
        ),
        (attributes::URL_TEMPLATE, attributes::HTTP_ROUTE),
        (attributes::RPC_METHOD, attributes::RPC_METHOD),
        (
            attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID,
            attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID,
        ),
    ] {
        let (asked, served) = (call.attribute(asked), span.attribute(served));
        // A call outside of a request has no id, and gets one there.
        if !asked.is_empty() && asked != served {
            return Some(format!("{asked:?} was called, {served:?} answered"));
        }
    }
    None
}

/// Lines that handlers write carry the trace, the span and the request they were written in.
fn lines(facts: &Facts<'_>, service: Service, testimony: &Testimony, findings: &mut Findings) {
    for line in &testimony.lines.events {
        findings.look();
        if let Some(said) = stray(facts, line) {
            let about = format!("{service}: line {:?}", line.message);
            findings.add(about, &line.request_id, || said);
        }
    }
    let access = testimony.lines.access.iter();
    let access = access.map(|it| (&it.span_id, &it.trace_id, &it.request_id));
    let processed = testimony.lines.processed.iter();
    let processed = processed.map(|it| (&it.span_id, &it.trace_id, &it.request_id));
    for (span_id, trace_id, request_id) in access.chain(processed) {
        findings.look();
        let Some(span) = facts.span(span_id) else {
            continue;
        };
        if span.trace_id != *trace_id || span.request_id() != request_id {
            findings.add(format!("{service}: line and its span"), request_id, || {
                format!(
                    "the line says trace {trace_id} and request {request_id}, its span {} and {}",
                    span.trace_id,
                    span.request_id()
                )
            });
        }
    }
}

fn stray(facts: &Facts<'_>, line: &EventLine) -> Option<String> {
    if line.trace_id.is_empty() && line.span_id.is_empty() {
        let about = !line.order_id.is_empty() || !line.user_id.is_empty();
        let expected = about && !BACKGROUND_LINES.contains(&line.message.as_str());
        return expected.then(|| "it has no trace, and is about a request".to_owned());
    }
    let Some(span) = facts.span(&line.span_id) else {
        return Some(format!("its span {} was not exported", line.span_id));
    };
    let same = span.trace_id == line.trace_id && span.request_id() == line.request_id;
    (!same).then(|| {
        format!(
            "it says trace {} and request {}, its span {} and {}",
            line.trace_id,
            line.request_id,
            span.trace_id,
            span.request_id()
        )
    })
}
