//! A load test while it runs: what its clients see beside what the gateway says of the same time. Do both tell the same?

use telemetry::names;

use crate::{
    annotations::{annotations, phases, steps},
    model::{Dashboard, Link, Panel, Row, Unit},
    promql::{HTTP_FAILED, http_failed_share, is, like, mean, observed, quantile, share},
    thresholds::OBJECTIVES,
};

const CLIENTS: &str = names::LOADTEST_REQUEST_DURATION;
const GATEWAY: &str = names::HTTP_SERVER_REQUEST_DURATION;

/// What its panels say while there is no load.
const NO_LOAD: &str = "No load test is scraped: loadtest run --observe, or --metrics-listen";

/// All of it is about a load that goes on.
fn while_loaded(panel: Panel) -> Panel {
    panel.only_for_some("a load test that is scraped", NO_LOAD)
}

pub(crate) fn dashboard() -> Dashboard {
    let mut marks = annotations();
    marks.extend([phases(), steps()]);
    Dashboard {
        uid: "windtunnel-load-test",
        title: "Load test",
        description: "What the clients of a load test see, beside what the gateway says of the same time. Phases and what is done to the shop are marked. Do both tell the same?",
        variables: Vec::new(),
        annotations: marks,
        rows: vec![both(), clients()],
    }
}

/// Both sides on one axis.
fn both() -> Row {
    Row {
        title: "Clients and gateway",
        panels: [rate(), failures(), latency(), between()]
            .map(while_loaded)
            .into(),
    }
}

fn rate() -> Panel {
    Panel::lines(
        "Does the gateway count what clients send?",
        Unit::PerSecond,
        "The gateway also counts whoever else comes, such as the trickle of the containers; where it counts less, requests end before they are read. Clients send by plan, however slow the answers are.",
    )
    .ask(observed(&[], CLIENTS, &[]), "clients")
    .ask(observed(&[], GATEWAY, &[&is("service", "gateway")]), "gateway")
    .to(Link::Dashboard("windtunnel-overview", "Overview of the shop"))
    .wide(12)
}

fn failures() -> Panel {
    // No answer is an empty status.
    let failed = like(names::HTTP_RESPONSE_STATUS_CODE, &format!("|{HTTP_FAILED}"));
    Panel::lines(
        "What share fails for clients, and what does the gateway admit?",
        Unit::Share,
        "For clients no answer is a failure too: a time-out, a refused connection. Where only they see failures, look at what is before the gateway, and at its connections.",
    )
    .ask(
        share(&observed(&[], CLIENTS, &[&failed]), &observed(&[], CLIENTS, &[])),
        "clients",
    )
    .ask(
        http_failed_share(&[], &[&is("service", "gateway")]),
        "gateway",
    )
    .most(1.0)
    .to(Link::Dashboard("windtunnel-slo", "Objectives"))
    .wide(12)
}

fn latency() -> Panel {
    let at = is("service", "gateway");
    let mut panel = Panel::lines(
        "How long do clients wait, and how long does the gateway say it took?",
        Unit::Seconds,
        "Clients count from the moment at which a request should have been sent, so that a sender that is late, a full listen queue and the network are in it. Dots are requests of the gateway.",
    );
    for (q, by_clients, by_gateway) in [
        (
            0.5,
            "clients, half are faster than",
            "gateway, half are faster than",
        ),
        (
            0.99,
            "clients, 99 % are faster than",
            "gateway, 99 % are faster than",
        ),
    ] {
        panel = panel
            .ask(quantile(q, &[], CLIENTS, &[]), by_clients)
            .ask_with_exemplars(quantile(q, &[], GATEWAY, &[&at]), by_gateway);
    }
    panel.at_most(OBJECTIVES.checkout_seconds).wide(12)
}

fn between() -> Panel {
    let of_gateway = mean(&[], GATEWAY, &[&is("service", "gateway")]);
    Panel::lines(
        "What lies between the two?",
        Unit::Seconds,
        "The mean of the clients less that of the gateway: connecting, queues before the gateway, the network, and a sender that is late. It is below zero where whoever else comes asks for slower things.",
    )
    .ask(format!("{} - {of_gateway}", mean(&[], CLIENTS, &[])), "on average")
    .may_fall()
    .wide(12)
}

/// What clients alone know.
fn clients() -> Row {
    let by = [names::HTTP_REQUEST_METHOD, names::HTTP_ROUTE];
    Row {
        title: "Clients",
        panels: [
            Panel::lines(
                "What do clients ask for?",
                Unit::PerSecond,
                "By method and route. The mix is the personas' of the experiment.",
            )
            .ask(
                observed(&by, CLIENTS, &[]),
                "{{http_request_method}} {{http_route}}",
            ),
            Panel::lines(
                "Which routes are slow for clients?",
                Unit::Seconds,
                "99 % are faster than this.",
            )
            .ask(
                quantile(0.99, &by, CLIENTS, &[]),
                "{{http_request_method}} {{http_route}}",
            )
            .at_most(OBJECTIVES.checkout_seconds),
            Panel::lines(
                "What answers do they get?",
                Unit::PerSecond,
                "By status; without one nobody answered in time.",
            )
            .ask(
                observed(&[names::HTTP_RESPONSE_STATUS_CODE], CLIENTS, &[]),
                "{{http_response_status_code}}",
            ),
        ]
        .map(while_loaded)
        .into(),
    }
}
