//! What callers counted against what the callee counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use telemetry::{attributes, names};

use super::{
    mismatch::{Mismatch, agreement, examples},
    samples::{growth, lost, served_counts},
    signals::counted,
};
use crate::{
    deployment::Service,
    evidence::{
        Evidence, Operation, Testimony,
        metrics::Labels,
        otlp::{Kind, Span},
    },
    judge::lost_samples::Counted,
    statistics::grouped,
    verdict::Check,
};

/// The calls of one kind from one service to another, counted on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Who called; several if there are.
    pub caller: String,
    /// Who was called.
    pub callee: String,
    /// `GET /products/{id}`, or for gRPC `package.Service/Method`.
    pub operation: String,
    /// HTTP or gRPC status; `no answer` where the caller gave up.
    pub status: String,
    /// Samples of the caller's client histogram.
    pub caller_count: u64,
    /// Samples of the callee's server histogram.
    pub callee_count: u64,
}

/// A service's client histograms.
const CLIENT_HISTOGRAMS: [&str; 2] = [
    names::HTTP_CLIENT_REQUEST_DURATION,
    names::RPC_CLIENT_CALL_DURATION,
];

/// The status of a call that got none.
const NO_ANSWER: &str = "no answer";

/// All calls to `callee`, by operation and status.
pub fn edges(callee: Service, evidence: &Evidence) -> Vec<Edge> {
    let mut counts: BTreeMap<Operation, (Vec<&str>, u64, u64)> = BTreeMap::new();
    for (caller, testimony) in evidence {
        for (operation, count) in called(testimony, callee) {
            let it = counts.entry(operation).or_default();
            it.0.push(caller.name());
            it.1 += count;
        }
    }
    if let Some(testimony) = evidence.get(&callee) {
        for (operation, count) in served_counts(testimony) {
            counts.entry(operation).or_default().2 += count;
        }
    }
    counts
        .into_iter()
        .map(|(operation, (callers, caller_count, callee_count))| Edge {
            caller: callers.join(", "),
            callee: callee.name().to_owned(),
            operation: operation.name,
            status: operation.status,
            caller_count,
            callee_count,
        })
        .collect()
}

/// Calls to `callee` on both sides; nothing, if neither side knows of any.
pub(super) fn check(callee: Service, evidence: &Evidence) -> Option<Check> {
    let edges = edges(callee, evidence);
    let told = evidence
        .values()
        .any(|it| client_calls(it, callee).next().is_some());
    if edges.is_empty() && !told {
        return None;
    }
    let mut mismatches = Vec::new();
    for (operation, statuses) in by_operation(&edges) {
        let given_up: u64 = statuses
            .iter()
            .filter(|it| it.status == NO_ANSWER)
            .map(|it| it.caller_count)
            .sum();
        let mut extra = 0;
        for edge in statuses.iter().filter(|it| it.status != NO_ANSWER) {
            if edge.caller_count > edge.callee_count {
                let lost = edge.caller_count - edge.callee_count;
                mismatches.push(Mismatch {
                    text: format!(
                        "{operation} {}: {lost} metric samples of {callee} are missing",
                        edge.status
                    ),
                    request_ids: Vec::new(),
                });
            }
            extra += edge.callee_count.saturating_sub(edge.caller_count);
        }
        if extra > given_up {
            mismatches.push(Mismatch {
                text: format!(
                    "{operation}: {} calls served but not counted by the caller: metric samples are missing",
                    extra - given_up
                ),
                request_ids: Vec::new(),
            });
        }
    }
    for (caller, testimony) in evidence {
        mismatches.extend(client_spans(*caller, callee, testimony));
    }
    let callers: u64 = edges.iter().map(|it| it.caller_count).sum();
    let callees: u64 = edges.iter().map(|it| it.callee_count).sum();
    let observed = format!("{} calls, {} served", grouped(callers), grouped(callees));
    Some(agreement(
        format!("callers = {callee}"),
        observed,
        mismatches,
    ))
}

fn by_operation(edges: &[Edge]) -> BTreeMap<&str, Vec<&Edge>> {
    let mut groups: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        groups.entry(&edge.operation).or_default().push(edge);
    }
    groups
}

/// A caller's client spans against its client histograms. Which samples were lost, the spans tell.
fn client_spans(caller: Service, callee: Service, testimony: &Testimony) -> Option<Mismatch> {
    let mut spans: BTreeMap<Operation, Vec<Counted<'_>>> = BTreeMap::new();
    for span in client_calls(testimony, callee) {
        let calls = spans.entry(called_operation(span)).or_default();
        calls.push(counted(span));
    }
    let samples = called(testimony, callee);
    let counts = spans.iter().map(|(it, calls)| (it, calls.len() as u64));
    if counts.eq(samples.iter().map(|(it, count)| (it, *count))) {
        return None;
    }
    let mut ids = Vec::new();
    for (operation, calls) in &spans {
        let sampled = samples.get(operation).copied().unwrap_or(0);
        if calls.len() as u64 > sampled {
            let read = |labels: &Labels| client_labels(labels, callee);
            ids.extend(lost(testimony, CLIENT_HISTOGRAMS, read, operation, calls));
        }
    }
    Some(Mismatch {
        text: format!(
            "{caller} has {} client spans and {} metric samples of its calls to {callee}{}",
            spans.values().map(Vec::len).sum::<usize>(),
            samples.values().sum::<u64>(),
            examples(&ids)
        ),
        request_ids: ids,
    })
}

fn client_calls(testimony: &Testimony, callee: Service) -> impl Iterator<Item = &Span> {
    testimony.spans.iter().filter(move |it| {
        it.kind == Kind::Client && it.attribute(attributes::SERVER_ADDRESS) == callee.name()
    })
}

fn called_operation(span: &Span) -> Operation {
    let status = |it: &str| {
        if it.is_empty() {
            NO_ANSWER.to_owned()
        } else {
            it.to_owned()
        }
    };
    let method = span.attribute(attributes::RPC_METHOD);
    if method.is_empty() {
        Operation {
            name: format!(
                "{} {}",
                span.attribute(attributes::HTTP_REQUEST_METHOD),
                span.attribute(attributes::URL_TEMPLATE)
            ),
            status: status(span.attribute(attributes::HTTP_RESPONSE_STATUS_CODE)),
        }
    } else {
        Operation {
            name: method.to_owned(),
            status: status(span.attribute(attributes::RPC_RESPONSE_STATUS_CODE)),
        }
    }
}

/// What `testimony`'s service counted of its calls to `callee`.
fn called(testimony: &Testimony, callee: Service) -> BTreeMap<Operation, u64> {
    CLIENT_HISTOGRAMS
        .into_iter()
        .flat_map(|it| growth(testimony, it, |labels| client_labels(labels, callee)))
        .collect()
}

fn client_labels(labels: &Labels, callee: Service) -> Option<Operation> {
    if labels.get(names::SERVER_ADDRESS)? != callee.name() {
        return None;
    }
    let (name, status) = if let Some(method) = labels.get(names::RPC_METHOD) {
        (method.clone(), labels.get(names::RPC_RESPONSE_STATUS_CODE)?)
    } else {
        let method = labels.get(names::HTTP_REQUEST_METHOD)?;
        let template = labels.get(names::URL_TEMPLATE)?;
        let status = labels.get(names::HTTP_RESPONSE_STATUS_CODE)?;
        (format!("{method} {template}"), status)
    };
    let status = if status.is_empty() { NO_ANSWER } else { status };
    Some(Operation {
        name,
        status: status.to_owned(),
    })
}
