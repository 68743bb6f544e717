//! Whether something failed, and why, is the same in every signal, and callers were told what callees say.

use telemetry::attributes::{ERROR_TYPE, HTTP_RESPONSE_STATUS_CODE, RPC_RESPONSE_STATUS_CODE};

use super::{
    facts::{Facts, kind},
    findings::Findings,
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

/// What the status says of a span of this kind: whether it failed, and why where the status is the reason.
fn expected(span: &Span) -> Option<(bool, &str)> {
    let failure = |status, failed| Some((failed, if failed { status } else { "" }));
    match kind(span) {
        "HTTP server" => {
            let status = span.attribute(HTTP_RESPONSE_STATUS_CODE);
            failure(status, status.len() == 3 && status >= "500")
        }
        "HTTP client" => match span.attribute(HTTP_RESPONSE_STATUS_CODE) {
            "" => None,
            status => failure(status, status >= "400"),
        },
        "gRPC server" => {
            let status = span.attribute(RPC_RESPONSE_STATUS_CODE);
            failure(status, SERVER_ERRORS.contains(&status))
        }
        "gRPC client" => match span.attribute(RPC_RESPONSE_STATUS_CODE) {
            "" => None,
            status => failure(status, status != "OK"),
        },
        _ => None,
    }
}

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
    if let Some((failed, why)) = expected(span) {
        return ((failed, why) != (span.failed, reason)).then(|| {
            format!(
                "{}: the status makes it {} ({why:?}), the span says {} ({reason:?})",
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
