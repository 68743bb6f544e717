//! How callers protect themselves, and whom they call: circuit breakers, bulkheads, retries, ejection.

use telemetry::names;

use crate::{
    model::{Colour, Link, Panel, Row, Unit},
    promql::{growth, is, sum},
};

/// A caller and whom it calls.
const EDGE: [&str; 2] = ["service", names::SERVER_ADDRESS];
const EDGE_LEGEND: &str = "{{service}} → {{server_address}}";

/// The states of a circuit breaker.
const STATES: &[(i64, &str, Colour)] = &[
    (0, "closed", Colour::Good),
    (1, "half open", Colour::Warning),
    (2, "open", Colour::Bad),
];

/// The worst of all replicas of a caller.
fn worst(metric: &str) -> String {
    format!("max by (service, server_address) ({metric})")
}

fn by(label: &'static str) -> [&'static str; 3] {
    let [service, upstream] = EDGE;
    [service, upstream, label]
}

pub(crate) fn protections() -> Row {
    Row {
        title: "Calls to other services",
        panels: [rejections(), retries()].concat(),
    }
}

fn rejections() -> Vec<Panel> {
    let in_flight = is("state", "in_flight");
    let in_flight = format!("{}{{{in_flight}}}", names::CLIENT_BULKHEAD_CALLS);
    let waiting = is("state", "waiting");
    let waiting = format!("{}{{{waiting}}}", names::CLIENT_BULKHEAD_CALLS);
    vec![
        Panel::lines(
            "Which circuit breakers are open?",
            Unit::Count,
            "2 is open: calls are rejected at once, but for one every two seconds that tries. It opens when half of at least 20 calls of 5 seconds have failed or were slow. Click for the dashboard of the service that is called.",
        )
        .ask(worst(names::CLIENT_BREAKER_STATE), EDGE_LEGEND)
        .words(STATES)
        .at_most(1.5)
        .most(2.0)
        .to(Link::Callee),
        Panel::lines(
            "How often do breakers change?",
            Unit::PerSecond,
            "By the new state. Open and half open in turn: the service that is called has not recovered yet.",
        )
        .ask(
            growth(&by("state"), names::CLIENT_BREAKER_TRANSITIONS, &[]),
            "{{service}} → {{server_address}}: {{state}}",
        )
        .to(Link::Callee),
        Panel::lines(
            "Which calls are rejected, and why?",
            Unit::PerSecond,
            "They were never sent, and are not among the attempts. breaker_open: the other side is left alone. bulkhead_full: as many are in flight as there may be. no_replica: nobody is known to call.",
        )
        .ask(
            growth(&by(names::ERROR_TYPE), names::CLIENT_CALLS_REJECTED, &[]),
            "{{service}} → {{server_address}}: {{error_type}}",
        )
        .to(Link::Callee)
        .quiet_until("hang at inventory", "no call was rejected"),
        Panel::lines(
            "How full are the bulkheads?",
            Unit::Share,
            "Calls in flight over those there may be. At 100 % calls wait for a place, a tenth of a second at most.",
        )
        .ask(
            format!(
                "{} / {}",
                worst(&in_flight),
                worst(names::CLIENT_BULKHEAD_LIMIT)
            ),
            EDGE_LEGEND,
        )
        .at_most(0.9)
        .most(1.0)
        .to(Link::Callee),
        Panel::lines(
            "How many calls wait for a place?",
            Unit::Count,
            "Of all replicas of a caller together. Whoever waits in vain is among the rejected.",
        )
        .ask(sum(&EDGE, &waiting), EDGE_LEGEND)
        .at_most(1.0)
        .to(Link::Callee),
    ]
}

fn retries() -> Vec<Panel> {
    vec![
        Panel::lines(
            "How do retries end?",
            Unit::PerSecond,
            "succeeded and failed were sent again. no_budget: a tenth of all calls had been tried again already. no_time: it would have come after the deadline. breaker_open: the other side was left alone by then.",
        )
        .ask(
            growth(&by("outcome"), names::CLIENT_RETRIES, &[]),
            "{{service}} → {{server_address}}: {{outcome}}",
        )
        .to(Link::Callee),
        Panel::lines(
            "How many retries are left?",
            Unit::Count,
            "Of the replica that has fewest. A call adds a tenth of one, a second one, up to ten; 0 means that failures are passed on as they are.",
        )
        .ask(
            format!("min by (service, server_address) ({})", names::CLIENT_RETRY_BUDGET),
            EDGE_LEGEND,
        )
        .at_least(1.0)
        .to(Link::Callee),
    ]
}

pub(crate) fn replicas() -> Row {
    Row {
        title: "Replicas that are left out",
        panels: vec![
            Panel::lines(
                "How many replicas are ejected?",
                Unit::Count,
                "As the replica of the caller knows that has ejected most. At most half of them for failing or being slow, for 5 s at first and longer each time; for a second where one refused a connection.",
            )
            .ask(worst(names::CLIENT_REPLICAS_EJECTED), EDGE_LEGEND)
            .warn_above(1.0)
            .to(Link::Callee)
            .wide(12),
            Panel::lines(
                "Why are replicas ejected?",
                Unit::PerSecond,
                "failing and slow: by more than the others. refused: it took no connection, as while it starts or when it has ended.",
            )
            .ask(
                growth(&by("reason"), names::CLIENT_EJECTIONS, &[]),
                "{{service}} → {{server_address}}: {{reason}}",
            )
            .to(Link::Callee)
            .wide(12),
        ],
    }
}
