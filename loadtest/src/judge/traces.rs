//! Whether spans form whole traces.

use std::collections::{BTreeMap, BTreeSet};

use telemetry::attributes;

use crate::{
    engine::Attempt,
    evidence::{
        Evidence,
        otlp::{Kind, Span},
    },
    verdict::{Check, Group, Outcome},
};

/// How many request ids a check names.
const NAMED: usize = 5;

/// Every span has its parent, every answered call has the callee's span, and each request to `route` that succeeded
/// went through all of `services`, or tried, or was not let: a page comes without what a busy service did not tell in time.
pub(crate) fn connected(
    attempts: &[Attempt],
    evidence: &Evidence,
    route: &str,
    services: &[&str],
) -> Check {
    let spans: Vec<&Span> = evidence.values().flat_map(|it| &it.spans).collect();
    let known: BTreeSet<(&str, &str)> = spans
        .iter()
        .map(|it| (it.trace_id.as_str(), it.id.as_str()))
        .collect();
    let parents: BTreeSet<(&str, &str)> = spans
        .iter()
        .map(|it| (it.trace_id.as_str(), it.parent_id.as_str()))
        .collect();
    let mut broken = BTreeSet::new();
    for span in &spans {
        let root = span.parent_id.is_empty();
        let orphan = !root && !known.contains(&(&span.trace_id, &span.parent_id));
        // A database has no span of its own, and not every event has a listener.
        let asks = match span.kind {
            Kind::Client => span.attribute(attributes::DB_SYSTEM_NAME).is_empty(),
            Kind::Producer => is_heard(span.attribute(attributes::MESSAGING_DESTINATION_NAME)),
            _ => false,
        };
        let unheard =
            asks && !span.failed && !parents.contains(&(span.trace_id.as_str(), span.id.as_str()));
        if orphan || unheard {
            broken.insert(span.request_id());
        }
    }
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for span in &spans {
        let service = match span.kind {
            Kind::Server => span.service.as_str(),
            Kind::Client | Kind::Other if span.failed => span.attribute(attributes::SERVER_ADDRESS),
            _ => continue,
        };
        let of_request = seen.entry(span.request_id()).or_default();
        of_request.insert(service);
    }
    let mut pages = 0_usize;
    for attempt in attempts {
        if attempt.route != route || attempt.status != Some(200) {
            continue;
        }
        pages += 1;
        let there = seen.get(attempt.id.as_str());
        if !services
            .iter()
            .all(|it| there.is_some_and(|there| there.contains(it)))
        {
            broken.insert(&attempt.id);
        }
    }
    let outcome = match (pages, broken.is_empty()) {
        (0, _) => Outcome::Invalid,
        (_, true) => Outcome::Pass,
        (_, false) => Outcome::Fail,
    };
    let mut check = Check::new(Group::Reconciliation, "traces are connected", outcome).saw(
        format!(
            "{pages} of {route} over {}, {} requests with broken traces",
            services.join(", "),
            broken.len()
        ),
        "every span with its parent",
    );
    check.request_ids = broken.into_iter().take(NAMED).map(str::to_owned).collect();
    if !check.request_ids.is_empty() {
        check.details.push(format!(
            "spans are missing: requests {}",
            check.request_ids.join(", ")
        ));
    }
    check
}

fn is_heard(kind: &str) -> bool {
    api::QUEUES.iter().any(|it| it.types.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{deployment::Service, evidence::Testimony};

    const ROUTE: &str = "GET /products/{id}";

    fn span(id: &str, parent_id: &str, service: &str, kind: Kind, callee: &str) -> Span {
        let request = attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID;
        let attributes = [(request, "r-1"), (attributes::SERVER_ADDRESS, callee)];
        Span {
            trace_id: "t".into(),
            id: id.into(),
            parent_id: parent_id.into(),
            service: service.into(),
            name: String::new(),
            kind,
            start_ns: 0,
            end_ns: 1,
            failed: false,
            attributes: attributes.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ..Span::default()
        }
    }

    /// A page whose gateway asked the catalogue, after `change`.
    fn outcome(change: impl FnOnce(&mut Vec<Span>)) -> Outcome {
        let mut spans = vec![
            span("a", "", "gateway", Kind::Server, ""),
            span("b", "a", "gateway", Kind::Client, "catalog"),
            span("c", "b", "catalog", Kind::Server, ""),
        ];
        change(&mut spans);
        let testimony = Testimony {
            spans,
            ..Testimony::default()
        };
        let attempt = Attempt {
            id: "r-1".into(),
            phase: 0,
            route: ROUTE.into(),
            intended_us: 0,
            sent_us: 0,
            done_us: 1,
            status: Some(200),
            error: None,
            order: None,
            product: None,
        };
        let evidence = [(Service::Gateway, testimony)].into();
        connected(&[attempt], &evidence, ROUTE, &["gateway", "catalog"]).outcome
    }

    #[test]
    fn a_page_is_whole_if_every_service_was_reached_or_did_not_answer() {
        assert_eq!(outcome(|_| ()), Outcome::Pass);
        let gave_up = outcome(|spans| {
            spans.pop();
            spans[1].failed = true;
        });
        assert_eq!(gave_up, Outcome::Pass);
    }

    #[test]
    fn a_missing_span_is_found_on_either_side() {
        assert_eq!(outcome(|spans| _ = spans.pop()), Outcome::Fail);
        assert_eq!(outcome(|spans| _ = spans.remove(1)), Outcome::Fail);
        assert_eq!(outcome(|spans| spans.truncate(1)), Outcome::Fail);
    }
}
