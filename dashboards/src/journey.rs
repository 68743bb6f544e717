//! An order's way through the saga, its events and the queues between services.

use api::Fact;
use telemetry::names;

use crate::{
    annotations::annotations,
    model::{Dashboard, Link, Panel, Row, Unit},
    promql::{error_share, is, like, observed, quantile, share, some, sum},
    thresholds::OBJECTIVES,
};

const EVENT: [&str; 1] = [names::MESSAGING_DESTINATION_NAME];
const CONSUMER: [&str; 1] = [names::MESSAGING_CONSUMER_GROUP_NAME];
const HOP: [&str; 2] = [
    names::MESSAGING_DESTINATION_NAME,
    names::MESSAGING_CONSUMER_GROUP_NAME,
];
const HOP_LEGEND: &str = "{{messaging_destination_name}} → {{messaging_consumer_group_name}}";

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "windtunnel-journey",
        title: "Journey of an order",
        description: "An order is acknowledged at once and then carried by events: orders → inventory → payments → orders. Where are they, and where do they wait?",
        variables: Vec::new(),
        annotations: annotations(),
        rows: vec![orders(), steps(), queues()],
    }
}

/// Events of one type that were told in a second.
fn told(kind: &str) -> String {
    let kind = is(names::MESSAGING_DESTINATION_NAME, kind);
    observed(&[], names::MESSAGING_CLIENT_OPERATION_DURATION, &[&kind])
}

/// Events of the first type, of all that are of either.
fn told_share(kind: &str, other: &str) -> String {
    let either = like(
        names::MESSAGING_DESTINATION_NAME,
        &format!("{kind}|{other}"),
    );
    let all = observed(&[], names::MESSAGING_CLIENT_OPERATION_DURATION, &[&either]);
    share(&told(kind), &all)
}

/// How long a share of the orders of 5 minutes took.
fn completed_within(q: f64) -> String {
    let buckets = format!("rate({}_bucket[5m])", names::ORDERS_COMPLETION);
    format!("histogram_quantile({q}, {})", sum(&["le"], &buckets))
}

fn orders() -> Row {
    let place = [
        is("service", "orders"),
        is(names::HTTP_REQUEST_METHOD, "POST"),
        is(names::HTTP_ROUTE, "/orders"),
    ];
    let place = place.each_ref().map(String::as_str);
    let requests = names::HTTP_SERVER_REQUEST_DURATION;
    Row {
        title: "Orders",
        panels: vec![
            Panel::lines(
                "How many orders come in, and how do they end?",
                Unit::PerSecond,
                "Placed at the one end, confirmed or cancelled at the other: the lines must sum up. What is missing is pending.",
            )
            .ask(told(Fact::ORDER_PLACED), "placed")
            .ask(told(Fact::ORDER_CONFIRMED), "confirmed")
            .ask(told(Fact::ORDER_CANCELLED), "cancelled"),
            Panel::lines(
                "What is a request to order answered?",
                Unit::PerSecond,
                "202 is an order that was accepted and must not be lost from then on. A repeated request gets the answer that the first one got.",
            )
            .ask(
                observed(&[names::HTTP_RESPONSE_STATUS_CODE], requests, &place),
                "{{http_response_status_code}}",
            )
            .to(Link::Dashboard("windtunnel-service", "Dashboards of the services")),
            Panel::lines(
                "How long until an order is accepted?",
                Unit::Seconds,
                "99 % must be faster than the line. Dots are single orders; click one for the trace of the whole journey.",
            )
            .ask_with_exemplars(quantile(0.5, &[], requests, &place), "half are faster than")
            .ask_with_exemplars(quantile(0.99, &[], requests, &place), "99 % are faster than")
            .at_most(OBJECTIVES.checkout_seconds),
            Panel::lines(
                "How long until an order is final?",
                Unit::Seconds,
                "From placing to confirmed or cancelled, over 5 minutes. 99 % must be below the line; what is not final yet is in none of these.",
            )
            .ask(completed_within(0.5), "half are faster than")
            .ask(completed_within(0.99), "99 % are faster than")
            .at_most(OBJECTIVES.completion_seconds)
            .to(Link::Dashboard("windtunnel-slo", "How much budget that costs")),
            Panel::lines(
                "How many orders are not final?",
                Unit::Count,
                "On their way. By Little's law this is rate times time to completion; an order that is not final after 30 s is cancelled.",
            )
            .ask(format!("max({})", names::ORDERS_PENDING), "pending")
            .ask(format!("max({})", names::ORDERS_OVERDUE), "pending for more than 10 s")
            ,
            Panel::lines(
                "Why are orders cancelled?",
                Unit::Share,
                "The share of decisions that go against the order: stock that is not there, cards that are declined. Both are shoppers' doing; a sudden change is not.",
            )
            .ask(told_share(Fact::STOCK_REJECTED, Fact::STOCK_RESERVED), "out of stock")
            .ask(told_share(Fact::PAYMENT_DECLINED, Fact::PAYMENT_CAPTURED), "declined")
            .most(1.0)
            ,
        ],
    }
}

fn steps() -> Row {
    let send = names::MESSAGING_CLIENT_OPERATION_DURATION;
    let process = names::MESSAGING_PROCESS_DURATION;
    let failed = [&HOP[..], &[names::ERROR_TYPE]].concat();
    Row {
        title: "Events",
        panels: vec![
            Panel::lines(
                "Which events are told?",
                Unit::PerSecond,
                "Events handed to the broker, by type.",
            )
            .ask(observed(&EVENT, send, &[]), "{{messaging_destination_name}}"),
            Panel::lines(
                "Which events are processed, and by whom?",
                Unit::PerSecond,
                "Deliveries, by type and consumer. More than were told are repetitions: a delivery is repeated until it succeeds, and has its effect once.",
            )
            .ask(observed(&HOP, process, &[]), HOP_LEGEND)
            .to(Link::Consumer),
            Panel::lines(
                "How long does the broker take?",
                Unit::Seconds,
                "99 % of events are handed over faster, by type.",
            )
            .ask_with_exemplars(quantile(0.99, &EVENT, send, &[]), "{{messaging_destination_name}}"),
            Panel::lines(
                "Which step is slow?",
                Unit::Seconds,
                "99 % of deliveries are processed faster. Charging a card waits for the provider of payments, and is the slowest step of a healthy shop.",
            )
            .ask_with_exemplars(quantile(0.99, &HOP, process, &[]), HOP_LEGEND)
            .to(Link::Consumer),
            Panel::lines(
                "Which step fails?",
                Unit::Share,
                "Deliveries that ended in an error, of all, by type and consumer.",
            )
            .ask(error_share(&HOP, process, &[]), HOP_LEGEND)
            .at_most(0.01)
            .to(Link::Consumer),
            Panel::lines(
                "Why do steps fail?",
                Unit::PerSecond,
                "Failed deliveries by reason. Each is tried again, later every time, and becomes a dead letter after the last try.",
            )
            .ask(
                observed(&failed, process, &[&some(names::ERROR_TYPE)]),
                "{{messaging_destination_name}} → {{messaging_consumer_group_name}}: {{error_type}}",
            )
            .to(Link::Consumer)
            .quiet_until("errors at inventory for order.placed", "no delivery has failed"),
        ],
    }
}

fn queues() -> Row {
    let most = |metric: &str| format!("max by ({}) ({metric})", CONSUMER[0]);
    Row {
        title: "Queues",
        panels: vec![
            Panel::lines(
                "Where do events wait to be sent?",
                Unit::Count,
                "Events committed with the change they tell of, and not yet handed to the broker. Rising: the broker is away.",
            )
            .ask(
                format!("max by (service) ({})", names::MESSAGING_OUTBOX_MESSAGES),
                "{{service}}",
            )
            .to(Link::Service)
            ,
            Panel::lines(
                "Where do events wait to be processed?",
                Unit::Count,
                "Events in each queue, those being processed among them. Rising: its consumer is too slow, fails, or is away.",
            )
            .ask(most(names::MESSAGING_QUEUE_MESSAGES), "{{messaging_consumer_group_name}}")
            .to(Link::Consumer)
            ,
            Panel::lines(
                "Which events were given up?",
                Unit::Count,
                "Dead letters: events that failed to the last try. Each is an order that stands still, until somebody puts it back.",
            )
            .ask(most(names::MESSAGING_DEAD_LETTERS), "{{messaging_consumer_group_name}}")
            .at_most(1.0)
            .to(Link::Consumer)
            ,
            Panel::lines(
                "How old is what waits?",
                Unit::Seconds,
                "Age of the oldest event in each queue, and in each outbox. A queue that drains is short and young; one that is stuck grows old at a second a second.",
            )
            .ask(most(names::MESSAGING_QUEUE_OLDEST_AGE), "queue of {{messaging_consumer_group_name}}")
            .ask(
                format!("max by (service) ({})", names::MESSAGING_OUTBOX_OLDEST_AGE),
                "outbox of {{service}}",
            )
            .at_most(15.0)
            .wide(12),
            Panel::lines(
                "Do consumers keep up?",
                Unit::PerSecond,
                "How fast each queue grows (above zero) or drains (below), over two minutes.",
            )
            .ask(
                format!("max by ({}) (deriv({}[2m]))", CONSUMER[0], names::MESSAGING_QUEUE_MESSAGES),
                "{{messaging_consumer_group_name}}",
            )
            .may_fall()
            .to(Link::Consumer)
            .wide(12),
        ],
    }
}
