//! A line is of the moment its span ended, and whoever is asked works within the time of whoever asked.

use std::time::Duration;

use super::{
    facts::{Facts, kind, same_process},
    findings::Findings,
};
use crate::{
    deployment::Service,
    evidence::{
        Testimony,
        otlp::{Kind, Span, since_1970},
    },
    verdict::Check,
};

/// How far the clocks of two processes on this machine may be apart: each counts from one reading of the machine's.
const SKEW_NS: u64 = 1_000_000;
/// Lines have microseconds.
const LINE_NS: u64 = 1_000;

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, span) in facts.spans() {
        findings.look();
        if let Some((about, said)) = wrong(facts, span) {
            let about = format!("{service}: {} {about}", kind(span));
            findings.add(about, facts.request(span), || said);
        }
    }
    for (service, testimony) in facts.testimonies() {
        lines(facts, service, testimony, &mut findings);
        last_scrape(facts, service, testimony, &mut findings);
    }
    findings.into_check(
        "times agree",
        "spans and lines",
        "lines at the end of their spans, children within their parents",
    )
}

/// What is wrong with the time of a span, and what each side says.
fn wrong(facts: &Facts<'_>, span: &Span) -> Option<(&'static str, String)> {
    let after = |what: &str, early: u64, late: u64| {
        let apart = Duration::from_nanos(late.saturating_sub(early));
        format!("{} {what} by {apart:?}", span.name)
    };
    if span.end_ns < span.start_ns {
        let said = after("ends before it begins", span.end_ns, span.start_ns);
        return Some(("ends before it begins", said));
    }
    let parent = facts.parent(span)?;
    let skew = if same_process(span, parent) {
        0
    } else {
        SKEW_NS
    };
    if span.start_ns + skew < parent.start_ns {
        let what = format!("begins before its parent {}", parent.name);
        let said = after(&what, span.start_ns, parent.start_ns);
        return Some(("begins before its parent", said));
    }
    if !may_outlive(span, parent) && span.end_ns > parent.end_ns + skew {
        let what = format!("ends after its parent {}", parent.name);
        let said = after(&what, parent.end_ns, span.end_ns);
        return Some(("ends after its parent", said));
    }
    None
}

/// Whether a span may go on when its parent has ended: an event is sent and processed later, a caller that gave up waits for
/// nobody, and a stale value is refreshed beside the request that it was good enough for.
fn may_outlive(span: &Span, parent: &Span) -> bool {
    let event = matches!(span.kind, Kind::Producer | Kind::Consumer);
    let gave_up = parent.kind == Kind::Client && parent.failed;
    let refresh = span.service == Service::Catalog.name() && kind(span) == "database client";
    event || gave_up || refresh
}

fn lines(facts: &Facts<'_>, service: Service, testimony: &Testimony, findings: &mut Findings) {
    let lines = &testimony.lines;
    let access = lines.access.iter();
    let access = access.map(|it| (&it.span_id, &it.request_id, it.ended));
    let processed = lines.processed.iter();
    let processed = processed.map(|it| (&it.span_id, &it.request_id, it.ended));
    for (span_id, request_id, ended) in access.chain(processed) {
        findings.look();
        let Some(span) = facts.span(span_id) else {
            continue;
        };
        let ended = since_1970(ended);
        if ended != span.end_ns - span.end_ns % LINE_NS {
            let about = format!("{service}: @timestamp and the end of the span");
            findings.add(about, request_id, || apart(ended, span.end_ns));
        }
    }
    for line in &lines.events {
        findings.look();
        let Some(span) = facts.span(&line.span_id) else {
            continue;
        };
        let at = since_1970(line.at);
        let late = at > span.end_ns && service != Service::Catalog;
        if at + LINE_NS <= span.start_ns || late {
            let about = format!("{service}: {:?} and its span", line.message);
            findings.add(about, &line.request_id, || {
                format!(
                    "{} and {}",
                    apart(at, span.start_ns),
                    apart(at, span.end_ns)
                )
            });
        }
    }
}

/// Whatever belongs to a request has ended when all was quiet and the counters were read.
fn last_scrape(
    facts: &Facts<'_>,
    service: Service,
    testimony: &Testimony,
    findings: &mut Findings,
) {
    let last = testimony.scrapes.iter().filter_map(|it| it.last());
    let Some(last) = last.map(|it| since_1970(it.answered)).max() else {
        return;
    };
    for span in &testimony.spans {
        let requested = !facts.request(span).is_empty();
        if requested && span.end_ns > last + SKEW_NS {
            let about = format!(
                "{service}: {} ends after the scrape that counted it",
                kind(span)
            );
            findings.add(about, facts.request(span), || apart(span.end_ns, last));
        }
    }
}

fn apart(at: u64, other: u64) -> String {
    let by = Duration::from_nanos(at.abs_diff(other));
    let order = if at < other { "before" } else { "after" };
    format!("{by:?} {order}")
}
