//! The evidence, with its spans to be found by their ids.

use std::collections::HashMap;

use telemetry::attributes;

use crate::{
    deployment::Service,
    evidence::{
        Evidence, Testimony,
        otlp::{Kind, Span},
    },
};

/// What all rules look at.
pub(super) struct Facts<'a> {
    pub(super) evidence: &'a Evidence,
    spans: HashMap<&'a str, &'a Span>,
    /// The request that a trace began with.
    requests: HashMap<&'a str, &'a str>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Self {
        let all = || evidence.values().flat_map(|it| &it.spans);
        let named = all().filter(|it| !it.request_id().is_empty());
        Self {
            evidence,
            spans: all().map(|it| (it.id.as_str(), it)).collect(),
            requests: named
                .map(|it| (it.trace_id.as_str(), it.request_id()))
                .collect(),
        }
    }

    pub(super) fn testimonies(&self) -> impl Iterator<Item = (Service, &'a Testimony)> {
        self.evidence.iter().map(|(service, it)| (*service, it))
    }

    /// Every span, with the service whose testimony it is in.
    pub(super) fn spans(&self) -> impl Iterator<Item = (Service, &'a Span)> {
        let testimonies = self.evidence.iter();
        testimonies.flat_map(|(service, it)| it.spans.iter().map(move |span| (*service, span)))
    }

    pub(super) fn span(&self, id: &str) -> Option<&'a Span> {
        self.spans.get(id).copied()
    }

    pub(super) fn parent(&self, span: &Span) -> Option<&'a Span> {
        self.span(&span.parent_id)
    }

    /// The request that a span belongs to: its own, or that of its trace.
    pub(super) fn request<'s>(&'s self, span: &'s Span) -> &'s str {
        match span.request_id() {
            "" => {
                let of_trace = self.requests.get(span.trace_id.as_str());
                of_trace.copied().unwrap_or_default()
            }
            own => own,
        }
    }
}

/// What a span is of, in the words of the table of conventions.
pub(super) fn kind(span: &Span) -> &'static str {
    let has = |name: &str| span.attributes.contains_key(name);
    match span.kind {
        Kind::Server if has(attributes::RPC_SYSTEM_NAME) => "gRPC server",
        Kind::Server => "HTTP server",
        Kind::Client if has(attributes::DB_SYSTEM_NAME) => "database client",
        Kind::Client if has(attributes::RPC_SYSTEM_NAME) => "gRPC client",
        Kind::Client => "HTTP client",
        Kind::Producer => "producer",
        Kind::Consumer => "consumer",
        // Nothing else is inside of a service and has a span of its own.
        Kind::Other => "rejected call",
    }
}

/// Whether both were made by one process, whose clock is one.
pub(super) fn same_process(one: &Span, other: &Span) -> bool {
    one.service == other.service && instance(one) == instance(other)
}

fn instance(span: &Span) -> &str {
    span.resource.attribute(attributes::SERVICE_INSTANCE_ID)
}
