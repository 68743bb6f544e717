//! Whether the trace of every order is the path that the documentation draws for how it ended, over HTTP, gRPC and events.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    Evidence,
    otlp::{Kind, Span},
};
use crate::{
    audit::Ledgers,
    engine::Attempt,
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

/// Every order that was acknowledged in this stretch has the documented path as its trace.
pub(crate) fn check(attempts: &[Attempt], evidence: &Evidence, ledgers: &Ledgers) -> Check {
    let traces = Traces::of(evidence);
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
        let walked = traces.steps_of(&attempt.id);
        if walked != expected {
            let list = |it: Vec<&Step<'_>>| {
                let texts: Vec<_> = it.into_iter().map(ToString::to_string).collect();
                texts.join(", ")
            };
            wrong.push((
                attempt.id.clone(),
                format!(
                    "order {} ({ending}), request {}: lacks [{}], has too much [{}]",
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
                Kind::Consumer => span.attribute("messaging.destination.name"),
                Kind::Server if span.attribute("rpc.method").is_empty() => "HTTP",
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
