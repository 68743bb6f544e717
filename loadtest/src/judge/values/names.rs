//! Everything says what the table of conventions asks for, and is called what it is about.

use std::collections::BTreeSet;

use telemetry::{attributes, conventions};

use super::{
    facts::{Facts, kind},
    findings::Findings,
};
use crate::{
    deployment::Service,
    evidence::{Testimony, otlp::Span},
    verdict::Check,
};

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, testimony) in facts.testimonies() {
        spans(facts, service, testimony, &mut findings);
        series(service, testimony, &mut findings);
        for (shape, shaped) in &testimony.lines.shapes {
            findings.look();
            let table = conventions::line(shape.kind).expect("the kinds are those of the table");
            let names = shape.names.iter().map(String::as_str);
            for fault in table.faults(shape.failed, names) {
                let about = format!("{service}: line, {}: {fault}", shape.kind);
                findings.add(about, &shaped.request_id, || {
                    format!("{} lines", shaped.count)
                });
            }
        }
    }
    findings.into_check(
        "names are those of the conventions",
        "spans, series and kinds of lines",
        "what the table asks for, and nothing else",
    )
}

fn spans(facts: &Facts<'_>, service: Service, testimony: &Testimony, findings: &mut Findings) {
    for span in &testimony.spans {
        findings.look();
        let kind = kind(span);
        let Some(table) = conventions::span(kind) else {
            findings.add(format!("{service}: {kind}"), facts.request(span), || {
                span.name.clone()
            });
            continue;
        };
        let names = span.attributes.keys().map(String::as_str);
        for fault in table.faults(span.failed, names) {
            let about = format!("{service}: {kind}: {fault}");
            findings.add(about, facts.request(span), || span.name.clone());
        }
        let expected = called(kind, span);
        if span.name != expected {
            let about = format!("{service}: name of {kind}");
            findings.add(about, facts.request(span), || {
                format!("{:?}, not {expected:?}", span.name)
            });
        }
        if !follows(span) {
            let about = format!("{service}: route of {kind}");
            findings.add(about, facts.request(span), || {
                let path = span.attribute(attributes::URL_PATH);
                format!(
                    "{path:?} is not of {:?}",
                    span.attribute(attributes::HTTP_ROUTE)
                )
            });
        }
    }
    let resources: BTreeSet<_> = testimony
        .spans
        .iter()
        .map(|it| &it.resource.attributes)
        .collect();
    for attributes in resources {
        let names = attributes.keys().map(String::as_str);
        for fault in conventions::resource().faults(false, names) {
            findings.add(format!("{service}: resource"), "", || fault);
        }
    }
}

/// What a span is called, by its attributes.
fn called(kind: &str, span: &Span) -> String {
    let of = |name: &str| span.attribute(name);
    let method = match of(attributes::HTTP_REQUEST_METHOD) {
        "_OTHER" => "HTTP",
        method => method,
    };
    let (verb, subject) = match kind {
        "HTTP server" => (method, of(attributes::HTTP_ROUTE)),
        "HTTP client" => (method, of(attributes::URL_TEMPLATE)),
        "gRPC server" | "gRPC client" => ("", of(attributes::RPC_METHOD)),
        "rejected call" => match of(attributes::RPC_METHOD) {
            "" => (method, of(attributes::URL_TEMPLATE)),
            rpc => ("", rpc),
        },
        "database client" => (
            of(attributes::DB_OPERATION_NAME),
            of(attributes::DB_COLLECTION_NAME),
        ),
        _ => (
            of(attributes::MESSAGING_OPERATION_NAME),
            of(attributes::MESSAGING_DESTINATION_NAME),
        ),
    };
    format!("{verb} {subject}").trim().to_owned()
}

/// Whether the path of a request is one of its route, where it has one.
fn follows(span: &Span) -> bool {
    let route = span.attribute(attributes::HTTP_ROUTE);
    let path = span.attribute(attributes::URL_PATH);
    let mut segments = path.split('/');
    for wanted in route.split('/').filter(|_| !route.is_empty()) {
        if wanted.starts_with("{*") {
            return true;
        }
        let Some(segment) = segments.next() else {
            return false;
        };
        if !wanted.starts_with('{') && wanted != segment {
            return false;
        }
    }
    route.is_empty() || segments.next().is_none()
}

fn series(service: Service, testimony: &Testimony, findings: &mut Findings) {
    let last = testimony.scrapes.iter().filter_map(|it| it.last());
    for scrape in last {
        for (name, labels, _) in scrape.exposition.samples() {
            findings.look();
            let parts = ["", "_bucket", "_sum", "_count"].into_iter();
            let mut tables = parts.filter_map(|it| conventions::metric(name.strip_suffix(it)?));
            let Some(table) = tables.next() else {
                findings.add(format!("{service}: {name}"), "", || {
                    "it is not in the table".to_owned()
                });
                continue;
            };
            let names = labels.keys().map(String::as_str);
            for fault in table.faults(false, names.filter(|it| *it != "le")) {
                findings.add(format!("{service}: {name}"), "", || fault);
            }
        }
    }
}
