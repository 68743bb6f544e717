//! Whether the trace of every order is the path that the documentation draws for how it ended, over HTTP, gRPC and events.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use telemetry::attributes;

use crate::{
    engine::Attempt,
    evidence::{
        Evidence,
        ledgers::Ledgers,
        otlp::{Kind, Span},
    },
    verdict::{Check, Group, Outcome},
};

/// How many orders a check names.
const NAMED: usize = 5;

/// A step from one service to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step<'a> {
    from: &'a str,
    /// `HTTP`, `gRPC` or the type of the event.
    by: &'a str,
    to: &'a str,
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -{}-> {}", self.from, self.by, self.to)
    }
}

const fn step(from: &'static str, by: &'static str, to: &'static str) -> Step<'static> {
    Step { from, by, to }
}

/// Every order is placed so.
const PLACED: [Step<'static>; 3] = [
    step("gateway", "HTTP", "orders"),
    step("orders", "gRPC", "catalog"),
    step("orders", "order.placed", "inventory"),
];
const CONFIRMED: [Step<'static>; 3] = [
    step("inventory", "stock.reserved", "payments"),
    step("payments", "payment.captured", "orders"),
    step("orders", "order.confirmed", "inventory"),
];
const DECLINED: [Step<'static>; 4] = [
    step("inventory", "stock.reserved", "payments"),
    step("payments", "payment.declined", "orders"),
    step("orders", "order.cancelled", "inventory"),
    step("orders", "order.cancelled", "payments"),
];
const OUT_OF_STOCK: [Step<'static>; 3] = [
    step("inventory", "stock.rejected", "orders"),
    step("orders", "order.cancelled", "inventory"),
    step("orders", "order.cancelled", "payments"),
];

/// The documented path of an order that ended so; none for a timeout, which may strike anywhere.
fn documented(ending: &str) -> Option<BTreeSet<Step<'static>>> {
    let rest: &[Step<'static>] = match ending {
        "confirmed" => &CONFIRMED,
        "payment_declined" => &DECLINED,
        "out_of_stock" => &OUT_OF_STOCK,
        _ => return None,
    };
    Some(PLACED.iter().chain(rest).copied().collect())
}

/// Every order that was acknowledged in this stretch has the documented path as its trace. One that was sent several times
/// has a trace for each, of which any may be the one that placed it.
pub(crate) fn check(attempts: &[Attempt], evidence: &Evidence, ledgers: &Ledgers) -> Check {
    let traces = Traces::of(evidence);
    let mut tries: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for attempt in attempts.iter().filter(|it| it.places_order()) {
        tries.entry(attempt.visit()).or_default().push(&attempt.id);
    }
    let mut endings: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for attempt in attempts.iter().filter(|it| it.acknowledged_order()) {
        let Some(order) = &attempt.order else {
            continue;
        };
        let ending = ledgers.ending(&order.id).unwrap_or("lost");
        *endings.entry(ending).or_default() += 1;
        let Some(expected) = documented(ending) else {
            continue;
        };
        let tries = tries.get(attempt.visit()).into_iter().flatten();
        let walked: BTreeSet<_> = tries.flat_map(|it| traces.steps_of(it)).collect();
        if walked != expected {
            let list = |it: Vec<&Step<'_>>| {
                let texts: Vec<_> = it.into_iter().map(ToString::to_string).collect();
                texts.join(", ")
            };
            wrong.push((
                attempt.id.clone(),
                format!(
                    "order {} ({ending}), request {}: missing [{}], unexpected [{}]",
                    order.id,
                    attempt.id,
                    list(expected.difference(&walked).collect()),
                    list(walked.difference(&expected).collect())
                ),
            ));
        }
    }
    let orders: usize = endings.values().sum();
    let outcome = match (orders, wrong.is_empty()) {
        (0, _) => Outcome::Invalid,
        (_, true) => Outcome::Pass,
        (_, false) => Outcome::Fail,
    };
    let endings: Vec<_> = endings
        .iter()
        .map(|(ending, n)| format!("{n} {ending}"))
        .collect();
    let observed = format!(
        "{orders} orders ({}), {} off the path",
        endings.join(", "),
        wrong.len()
    );
    let mut check = Check::new(
        Group::Reconciliation,
        "order traces are the saga graph",
        outcome,
    )
    .saw(observed, "each trace is the documented path");
    wrong.truncate(NAMED);
    (check.request_ids, check.details) = wrong.into_iter().unzip();
    check
}

/// Spans by the trace they belong to, and where a request's trace is.
struct Traces<'a> {
    by_id: BTreeMap<(&'a str, &'a str), &'a Span>,
    by_trace: BTreeMap<&'a str, Vec<&'a Span>>,
    of_request: BTreeMap<&'a str, &'a str>,
}

impl<'a> Traces<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let mut it = Self {
            by_id: BTreeMap::new(),
            by_trace: BTreeMap::new(),
            of_request: BTreeMap::new(),
        };
        for span in evidence.values().flat_map(|it| &it.spans) {
            let trace = span.trace_id.as_str();
            it.by_id.insert((trace, &span.id), span);
            it.by_trace.entry(trace).or_default().push(span);
            if span.kind == Kind::Server && span.service == "gateway" {
                it.of_request.insert(span.request_id(), trace);
            }
        }
        it
    }

    /// The steps between services in the trace of this request.
    fn steps_of(&self, request_id: &str) -> BTreeSet<Step<'a>> {
        let trace = self.of_request.get(request_id);
        let spans = trace.and_then(|it| self.by_trace.get(it));
        let step = |span: &&'a Span| {
            let parent = self.by_id.get(&(&span.trace_id, &span.parent_id))?;
            let by = match span.kind {
                Kind::Consumer => span.attribute(attributes::MESSAGING_DESTINATION_NAME),
                Kind::Server if span.attribute(attributes::RPC_METHOD).is_empty() => "HTTP",
                Kind::Server => "gRPC",
                _ => return None,
            };
            Some(Step {
                from: &parent.service,
                by,
                to: &span.service,
            })
        };
        spans.into_iter().flatten().filter_map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use api::OrderStatus;

    use super::*;
    use crate::{
        deployment::SERVICES, engine::OrderSeen, evidence::ledgers::OrderEntry, verdict::Outcome,
    };

    /// Each span of an order's trace: its service, its parent's place in this list, and how it was reached.
    const CONFIRMED_TRACE: [(&str, usize, &str); 7] = [
        ("gateway", 0, ""),
        ("orders", 0, "HTTP"),
        ("catalog", 1, "gRPC"),
        ("inventory", 1, "order.placed"),
        ("payments", 3, "stock.reserved"),
        ("orders", 4, "payment.captured"),
        ("inventory", 5, "order.confirmed"),
    ];

    fn spans(request_id: &str, trace: &[(&str, usize, &str)]) -> Vec<Span> {
        let span = |(place, &(service, parent, by)): (usize, &(&str, usize, &str))| {
            let (kind, attribute) = match by {
                "" | "HTTP" => (Kind::Server, None),
                "gRPC" => (Kind::Server, Some((attributes::RPC_METHOD, "GetProducts"))),
                event => (
                    Kind::Consumer,
                    Some((attributes::MESSAGING_DESTINATION_NAME, event)),
                ),
            };
            let request = (attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID, request_id);
            let attributes = attribute.into_iter().chain([request]);
            Span {
                trace_id: request_id.to_owned(),
                id: place.to_string(),
                parent_id: if by.is_empty() {
                    String::new()
                } else {
                    parent.to_string()
                },
                service: service.to_owned(),
                name: String::new(),
                kind,
                start_ns: 0,
                end_ns: 1,
                failed: false,
                attributes: attributes
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                ..Span::default()
            }
        };
        trace.iter().enumerate().map(span).collect()
    }

    fn attempt(id: &str, acknowledged: bool) -> Attempt {
        Attempt {
            id: id.to_owned(),
            phase: 0,
            route: "POST /orders".into(),
            intended_us: 0,
            sent_us: 0,
            done_us: 0,
            status: acknowledged.then_some(202),
            error: (!acknowledged).then(|| "timeout".to_owned()),
            order: acknowledged.then(|| OrderSeen {
                id: "o-1".into(),
                key: "kills-7".into(),
                status: OrderStatus::Pending,
                fair: true,
            }),
            product: None,
        }
    }

    fn outcome(attempts: &[Attempt], spans: Vec<Span>) -> Outcome {
        let mut evidence = Evidence::new();
        for span in spans {
            let service = SERVICES.into_iter().find(|it| it.name() == span.service);
            let testimony = evidence.entry(service.unwrap()).or_default();
            testimony.spans.push(span);
        }
        let mut ledgers = Ledgers::default();
        let order = OrderEntry {
            status: OrderStatus::Confirmed,
            reason: None,
            total_cents: 1,
            idempotency_key: "kills-7".into(),
            items: Vec::new(),
        };
        ledgers.orders.insert("o-1".into(), order);
        check(attempts, &evidence, &ledgers).outcome
    }

    #[test]
    fn a_trace_with_every_step_passes_and_with_one_less_it_does_not() {
        let attempts = [attempt("kills-7-1", true)];
        let whole = spans("kills-7-1", &CONFIRMED_TRACE);
        assert_eq!(outcome(&attempts, whole), Outcome::Pass);
        let short = spans("kills-7-1", &CONFIRMED_TRACE[..6]);
        assert_eq!(outcome(&attempts, short), Outcome::Fail);
        assert_eq!(outcome(&[], Vec::new()), Outcome::Invalid);
    }

    #[test]
    fn an_order_may_have_been_placed_by_a_try_that_was_not_answered() {
        let attempts = [attempt("kills-7-1", false), attempt("kills-7-2", true)];
        let replayed = || spans("kills-7-2", &CONFIRMED_TRACE[..2]);
        let placed = spans("kills-7-1", &CONFIRMED_TRACE);
        assert_eq!(
            outcome(&attempts, [placed, replayed()].concat()),
            Outcome::Pass
        );
        assert_eq!(outcome(&attempts, replayed()), Outcome::Fail);
    }
}
