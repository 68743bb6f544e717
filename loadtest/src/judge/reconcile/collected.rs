//! What Elasticsearch and Jaeger have of our clients' requests, in a deployment that others use too.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    door,
    mismatch::{Mismatch, agreement, examples, missing},
};
use crate::{
    deployment::Service,
    engine::Attempt,
    evidence::{Evidence, documents::Document, ledgers::Ledgers, otlp::Kind},
    judge::saga,
    statistics::grouped,
    verdict::Check,
};

/// What was collected, as far as it is known where.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// The access lines of our requests, of all services.
    pub(crate) documents: Option<Vec<Document>>,
    /// The traces of our orders.
    pub(crate) traces: Option<Evidence>,
}

/// Every answer has one document, every order's trace is the saga graph, and what both tell of is the same. Without ledgers it is
/// not known how an order ended, and so not which path is right.
pub(crate) fn collected(
    attempts: &[Attempt],
    it: &Collected,
    ledgers: Option<&Ledgers>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(documents) = &it.documents {
        let door_lines = documents
            .iter()
            .filter(|it| it.service == Service::Gateway.name())
            .map(|it| (it.request_id.as_str(), it.status.as_str()));
        checks.push(door::check("Elasticsearch", attempts, door_lines));
        checks.push(once(documents));
    }
    let ordered = attempts.iter().any(Attempt::acknowledged_order);
    if let (Some(traces), Some(ledgers), true) = (&it.traces, ledgers, ordered) {
        checks.push(saga::check(attempts, traces, ledgers));
    }
    if let (Some(documents), Some(traces), true) = (&it.documents, &it.traces, ordered) {
        checks.push(both(documents, traces));
    }
    checks
}

/// Whether a line came twice, at any service.
fn once(documents: &[Document]) -> Check {
    let mut counts: BTreeMap<(&str, &str), (u64, &str)> = BTreeMap::new();
    let mut services = BTreeSet::new();
    for it in documents {
        let line = counts.entry((it.service.as_str(), it.span_id.as_str()));
        let line = line.or_default();
        *line = (line.0 + 1, it.request_id.as_str());
        services.insert(it.service.as_str());
    }
    let twice = counts.values().filter(|it| it.0 > 1);
    let ids: Vec<_> = twice.map(|it| it.1.to_owned()).collect();
    let services: Vec<_> = services.into_iter().collect();
    let observed = format!(
        "{} access lines of {}",
        grouped(documents.len() as u64),
        services.join(", ")
    );
    let mismatches = (!ids.is_empty()).then(|| Mismatch {
        text: format!(
            "{} lines are several documents{}",
            ids.len(),
            examples(&ids)
        ),
        request_ids: ids,
    });
    agreement(
        "a line is one document".to_owned(),
        observed,
        mismatches.into_iter().collect(),
    )
}

/// Whether each server span of a trace has its access line, found by the span's id.
fn both(documents: &[Document], traces: &Evidence) -> Check {
    let lines: BTreeSet<_> = documents
        .iter()
        .map(|it| (it.service.as_str(), it.span_id.as_str()))
        .collect();
    let spans = traces.values().flat_map(|it| &it.spans);
    let served: Vec<_> = spans.filter(|it| it.kind == Kind::Server).collect();
    let without: Vec<_> = served
        .iter()
        .filter(|it| !lines.contains(&(it.service.as_str(), it.id.as_str())))
        .map(|it| it.request_id().to_owned())
        .collect();
    let observed = format!("{} server spans of orders", grouped(served.len() as u64));
    let mismatches = (!without.is_empty()).then(|| missing("document", without));
    agreement(
        "Jaeger = Elasticsearch".to_owned(),
        observed,
        mismatches.into_iter().collect(),
    )
}

#[cfg(test)]
mod tests {
    use telemetry::attributes;

    use super::*;
    use crate::{
        evidence::{Testimony, otlp::Span},
        verdict::Outcome,
    };

    fn attempt(id: &str, status: u16) -> Attempt {
        Attempt {
            id: id.into(),
            phase: 0,
            route: "POST /orders".into(),
            intended_us: 0,
            sent_us: 0,
            done_us: 1,
            status: Some(status),
            error: None,
            order: None,
            product: None,
        }
    }

    fn document(service: &str, id: &str) -> Document {
        Document {
            service: service.into(),
            request_id: id.into(),
            span_id: format!("{service}-{id}"),
            status: "202".into(),
        }
    }

    fn traces(ids: &[&str]) -> Evidence {
        let span = |service: &str, id: &str| Span {
            id: format!("{service}-{id}"),
            service: service.into(),
            kind: Kind::Server,
            attributes: [(attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID, id)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Span::default()
        };
        let of = |service: Service| Testimony {
            spans: ids.iter().map(|it| span(service.name(), it)).collect(),
            ..Testimony::default()
        };
        [Service::Gateway, Service::Orders]
            .map(|it| (it, of(it)))
            .into()
    }

    /// What fails of two orders, after `change`.
    fn failing(change: impl FnOnce(&mut Vec<Document>)) -> Vec<(String, String)> {
        let attempts = [attempt("a-1", 202), attempt("a-2", 202)];
        let mut documents: Vec<_> = ["gateway", "orders"]
            .iter()
            .flat_map(|service| ["a-1", "a-2"].map(|id| document(service, id)))
            .collect();
        change(&mut documents);
        let it = Collected {
            documents: Some(documents),
            traces: Some(traces(&["a-1", "a-2"])),
        };
        let checks = collected(&attempts, &it, None);
        assert_eq!(checks.len(), 3, "{checks:?}");
        let failing = checks.into_iter().filter(|it| it.outcome != Outcome::Pass);
        failing.map(|it| (it.name, it.details.join("; "))).collect()
    }

    #[test]
    fn what_was_collected_once_and_whole_agrees() {
        assert_eq!(failing(|_| ()), []);
    }

    #[test]
    fn a_document_that_is_missing_or_comes_twice_is_named() {
        let missing = failing(|it| _ = it.remove(0));
        let names: Vec<_> = missing.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(names, ["clients = Elasticsearch", "Jaeger = Elasticsearch"]);
        assert!(missing.iter().all(|it| it.1.contains("a-1")), "{missing:?}");
        let inside = failing(|it| _ = it.remove(3));
        let [(name, text)] = &inside[..] else {
            panic!("{inside:?}")
        };
        assert_eq!(name, "Jaeger = Elasticsearch");
        assert!(
            text.contains("1 document is missing: request a-2"),
            "{text}"
        );
        let twice = failing(|it| it.push(document("orders", "a-2")));
        let [(name, text)] = &twice[..] else {
            panic!("{twice:?}")
        };
        assert_eq!(name, "a line is one document");
        assert!(text.contains("request a-2"), "{text}");
    }

    #[test]
    fn what_nobody_collects_is_not_compared() {
        let attempts = [attempt("a-1", 202)];
        assert_eq!(collected(&attempts, &Collected::default(), None), []);
    }
}
