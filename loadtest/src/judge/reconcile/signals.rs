//! A service's samples, access lines and server spans against each other.

use std::collections::{BTreeMap, BTreeSet};

use telemetry::attributes;

use super::{
    mismatch::{Mismatch, agreement, examples, missing},
    samples::{SERVER_HISTOGRAMS, lost, served, served_counts},
};
use crate::{
    deployment::Service,
    evidence::{
        Operation, Testimony,
        otlp::{Kind, Span},
    },
    judge::lost_samples::Counted,
    statistics::grouped,
    verdict::Check,
};

/// Whether a service says of any request at all, in any signal.
pub(super) fn any(testimony: &Testimony) -> bool {
    let served = testimony.spans.iter().any(|it| it.kind == Kind::Server);
    served || !testimony.lines.access.is_empty() || !served_counts(testimony).is_empty()
}

pub(super) fn check(service: Service, testimony: &Testimony) -> Check {
    let spans: BTreeMap<&str, &Span> = testimony
        .spans
        .iter()
        .filter(|it| it.kind == Kind::Server)
        .map(|it| (it.id.as_str(), it))
        .collect();
    let lines: BTreeSet<&str> = testimony
        .lines
        .access
        .iter()
        .map(|it| it.span_id.as_str())
        .collect();

    let without_line: Vec<_> = spans
        .values()
        .filter(|it| !lines.contains(it.id.as_str()))
        .collect();
    let without_span: Vec<_> = testimony
        .lines
        .access
        .iter()
        .filter(|it| !spans.contains_key(it.span_id.as_str()))
        .map(|it| it.request_id.clone())
        .collect();
    let mut mismatches = Vec::new();
    if !without_line.is_empty() {
        let ids = without_line
            .iter()
            .map(|it| it.request_id().to_owned())
            .collect();
        mismatches.push(missing("access line", ids));
    }
    if !without_span.is_empty() {
        mismatches.push(missing("span", without_span));
    }
    mismatches.extend(missing_samples(testimony, &without_line));
    let samples: u64 = served_counts(testimony).values().sum();
    let observed = format!(
        "{} samples, {} access lines, {} spans",
        grouped(samples),
        grouped(testimony.lines.access.len() as u64),
        grouped(spans.len() as u64)
    );
    agreement(
        format!("{service}: samples = access lines = spans"),
        observed,
        mismatches,
    )
}

/// For each operation, what its histogram counted against the requests that lines and spans know of.
fn missing_samples(testimony: &Testimony, without_line: &[&&Span]) -> Vec<Mismatch> {
    let mut known: BTreeMap<Operation, Vec<Counted<'_>>> = BTreeMap::new();
    for line in &testimony.lines.access {
        known
            .entry(line.operation.clone())
            .or_default()
            .push(Counted {
                request_id: &line.request_id,
                ended: line.ended,
                duration_ns: line.duration_ns,
            });
    }
    for span in without_line {
        known
            .entry(operation(span))
            .or_default()
            .push(counted(span));
    }
    let mut samples = served_counts(testimony);
    let mut mismatches = Vec::new();
    for (operation, requests) in known {
        let count = samples.remove(&operation).unwrap_or(0);
        let known = requests.len() as u64;
        if count == known {
            continue;
        }
        let Operation { name, status } = &operation;
        if count > known {
            mismatches.push(Mismatch {
                text: format!(
                    "{name} {status}: {} requests have a sample but no access line and no span",
                    count - known
                ),
                request_ids: Vec::new(),
            });
            continue;
        }
        let ids = lost(testimony, SERVER_HISTOGRAMS, served, &operation, &requests);
        let lost = known - count;
        mismatches.push(Mismatch {
            text: format!(
                "{name} {status}: {lost} metric sample{} missing{}",
                if lost == 1 { " is" } else { "s are" },
                examples(&ids)
            ),
            request_ids: ids,
        });
    }
    for (Operation { name, status }, count) in samples {
        mismatches.push(Mismatch {
            text: format!(
                "{name} {status}: {count} requests have a sample but no access line and no span"
            ),
            request_ids: Vec::new(),
        });
    }
    mismatches
}

pub(super) fn counted(span: &Span) -> Counted<'_> {
    Counted {
        request_id: span.request_id(),
        ended: std::time::UNIX_EPOCH + std::time::Duration::from_nanos(span.end_ns),
        duration_ns: span.end_ns.saturating_sub(span.start_ns),
    }
}

/// What a server span says was asked for.
fn operation(span: &Span) -> Operation {
    let method = span.attribute(attributes::RPC_METHOD);
    if !method.is_empty() {
        return Operation {
            name: method.to_owned(),
            status: span
                .attribute(attributes::RPC_RESPONSE_STATUS_CODE)
                .to_owned(),
        };
    }
    Operation::http(
        span.attribute(attributes::HTTP_REQUEST_METHOD),
        span.attribute(attributes::HTTP_ROUTE),
        span.attribute(attributes::HTTP_RESPONSE_STATUS_CODE),
    )
}
