//! Whether something failed, and why, is the same in every signal, and callers were told what callees say.

use telemetry::attributes::{ERROR_TYPE, HTTP_RESPONSE_STATUS_CODE, RPC_RESPONSE_STATUS_CODE};

use super::{
    facts::{Facts, kind},
    findings::Findings,
    sheds::SHED,
};
use crate::{
    deployment::Service,
    evidence::{
        Testimony,
        otlp::{Kind, Span},
    },
    verdict::Check,
};

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, span) in facts.spans() {
        findings.look();
        if let Some(said) = wrong(span).or_else(|| told(facts, span)) {
            let about = format!("{service}: {}", kind(span));
            findings.add(about, facts.request(span), || said);
        }
    }
    for (service, testimony) in facts.testimonies() {
        lines(facts, service, testimony, &mut findings);
    }
    findings.into_check(
        "outcomes agree",
        "spans and lines",
        "status, level and reason say the same",
    )
}

/// What the status says of a span of this kind: whether it failed, and which reasons it may have.
fn expected(span: &Span) -> Option<(bool, Vec<&str>)> {
    let http = span.attribute(HTTP_RESPONSE_STATUS_CODE);
    let rpc = span.attribute(RPC_RESPONSE_STATUS_CODE);
    let served = |status, failed: bool, gave_up: bool| {
        let reasons = match (failed, gave_up) {
            (true, _) => BROKEN.into_iter().chain([SHED, status]).collect(),
            (false, true) => GIVEN_UP.to_vec(),
            (false, false) => vec![""],
        };
        Some((failed, reasons))
    };
    let called = |status, failed: bool| Some((failed, vec![if failed { status } else { "" }]));
    match kind(span) {
        "HTTP server" => served(http, http.len() == 3 && http >= "500", http == "499"),
        "gRPC server" => served(rpc, SERVER_ERRORS.contains(&rpc), rpc == "CANCELLED"),
        "HTTP client" if !http.is_empty() => called(http, http >= "400"),
        "gRPC client" if !rpc.is_empty() => called(rpc, rpc != "OK"),
        _ => None,
    }
}

/// Why an answer that had begun was not sent whole, where that is not its status.
const BROKEN: [&str; 2] = ["io", "panic"];
/// Why nobody waited for an answer. A handler may also say so itself, and then there is no other reason.
const GIVEN_UP: [&str; 3] = ["", "cancelled", "stalled"];

/// The statuses that are the server's fault.
/// <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>
const SERVER_ERRORS: [&str; 6] = [
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
];

fn wrong(span: &Span) -> Option<String> {
    let reason = span.attribute(ERROR_TYPE);
    let says = |failed| if failed { "an error" } else { "no error" };
    if let Some((failed, reasons)) = expected(span) {
        return (failed != span.failed || !reasons.contains(&reason)).then(|| {
            format!(
                "{}: the status makes it {} ({reasons:?}), the span says {} ({reason:?})",
                span.name,
                says(failed),
                says(span.failed)
            )
        });
    }
    // Without a status there was no answer, and only for calls does that say something.
    let call = matches!(kind(span), "HTTP client" | "gRPC client");
    let failed = call || !reason.is_empty();
    (failed != span.failed || failed == reason.is_empty()).then(|| {
        format!(
            "{}: the span says {}, its reason is {reason:?}",
            span.name,
            says(span.failed)
        )
    })
}

/// What a caller was told that is not what the callee says.
fn told(facts: &Facts<'_>, span: &Span) -> Option<String> {
    if span.kind != Kind::Server {
        return None;
    }
    let caller = facts.parent(span).filter(|it| it.kind == Kind::Client)?;
    for name in [HTTP_RESPONSE_STATUS_CODE, RPC_RESPONSE_STATUS_CODE] {
        let (asked, answered) = (caller.attribute(name), span.attribute(name));
        // A gRPC call that was answered in plain HTTP has no status of its own.
        if !asked.is_empty() && !answered.is_empty() && asked != answered {
            return Some(format!(
                "{} says {answered}, its caller was told {asked}",
                span.name
            ));
        }
    }
    None
}

fn lines(facts: &Facts<'_>, service: Service, testimony: &Testimony, findings: &mut Findings) {
    for line in &testimony.lines.access {
        findings.look();
        let Some(span) = facts.span(&line.span_id) else {
            continue;
        };
        let level = if span.failed { "error" } else { "info" };
        let status = match span.attribute(RPC_RESPONSE_STATUS_CODE) {
            "" => span.attribute(HTTP_RESPONSE_STATUS_CODE),
            status => status,
        };
        let line_says = (
            line.written.level.as_str(),
            line.operation.status.as_str(),
            line.error_type.as_str(),
        );
        let span_says = (level, status, span.attribute(ERROR_TYPE));
        if line_says != span_says {
            findings.add(format!("{service}: access line"), &line.request_id, || {
                format!("the line says {line_says:?}, its span {span_says:?}")
            });
        }
    }
    for line in &testimony.lines.processed {
        findings.look();
        let Some(span) = facts.span(&line.span_id) else {
            continue;
        };
        let level = if span.failed { "warn" } else { "info" };
        let line_says = (
            line.written.level.as_str(),
            line.failed(),
            line.error_type.as_str(),
        );
        let span_says = (level, span.failed, span.attribute(ERROR_TYPE));
        if line_says != span_says {
            findings.add(format!("{service}: process line"), &line.request_id, || {
                format!("the line says {line_says:?}, its span {span_says:?}")
            });
        }
    }
}
