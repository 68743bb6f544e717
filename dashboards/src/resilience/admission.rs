//! Who is served when there is not room for all.

use telemetry::names;

use crate::{
    model::{Link, Panel, Row, Unit},
    promql::{growth, observed, quantile},
};

pub(super) fn row() -> Row {
    let shed = names::ADMISSION_SHED;
    let gauge = |metric: &str| format!("sum by (service) ({metric})");
    let waiting = "a rush at search";
    Row {
        title: "What services let in",
        panels: vec![
            Panel::lines(
                "Who is refused?",
                Unit::PerSecond,
                "Requests answered by 503 before any work was done for them, by what they are worth. rest and search come first, checkout last: where checkouts are refused, not even they have room.",
            )
            .ask(
                growth(&["service", names::CLASS], shed, &[]),
                "{{service}}: {{class}}",
            )
            .at_most(0.1)
            .to(Link::Service),
            Panel::lines(
                "Why are they?",
                Unit::PerSecond,
                "full: no room even to wait. waited: no place became free in time. too_late: an answer would have come after the caller's deadline.",
            )
            .ask(
                growth(&["service", names::REASON], shed, &[]),
                "{{service}}: {{reason}}",
            )
            .at_most(0.1)
            .to(Link::Service),
            Panel::lines(
                "How many requests may be under way at once?",
                Unit::Count,
                "All replicas together. The limit follows how long requests take: it falls while they queue, and grows only while it is used.",
            )
            .ask(gauge(names::ADMISSION_LIMIT), "{{service}}")
            .to(Link::Service),
            Panel::lines(
                "How many are?",
                Unit::Count,
                "Without those that wait for another service. At the limit the next ones wait, and then are refused.",
            )
            .ask(gauge(names::ADMISSION_IN_FLIGHT), "{{service}}")
            .ask(gauge(names::ADMISSION_WAITING), "{{service}}: waiting")
            .to(Link::Service),
            Panel::lines(
                "How many have to wait to begin?",
                Unit::PerSecond,
                "A burst may wait for some milliseconds. Many, for long: there are too few replicas.",
            )
            .ask(
                observed(&["service", names::CLASS], names::ADMISSION_WAIT, &[]),
                "{{service}}: {{class}}",
            )
            .to(Link::Service),
            Panel::lines(
                "How long do they wait?",
                Unit::Seconds,
                "Of those that had to, 99 % waited less.",
            )
            .ask(
                quantile(0.99, &["service", names::CLASS], names::ADMISSION_WAIT, &[]),
                "{{service}}: {{class}}",
            )
            .to(Link::Service)
            .quiet_until(waiting, "no request had to wait"),
        ],
    }
}
