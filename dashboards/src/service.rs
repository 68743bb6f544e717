//! One service: rate, errors, duration, saturation.

mod limits;

use telemetry::names;

use crate::{
    annotations::annotations,
    model::{Dashboard, Link, Panel, Row, Unit, Variable},
    promql::{
        buckets, call_failed_share, called, called_within, chosen, error_share, failed_share,
        growth, http_failed_share, observed, of, quantile, rpc_failed_share, served, served_within,
    },
    thresholds::OBJECTIVES,
};

const ROUTE_LEGEND: &str = "{{http_request_method}} {{http_route}}";

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "windtunnel-service",
        title: "Service",
        description: "One service: how much it is asked, how often it fails, how long it takes, how full it is, and whom it waits for.",
        variables: vec![Variable {
            name: "service",
            metric: names::SERVICE_READY,
            label: "service",
            first: "gateway",
            drawn: "orders",
        }],
        annotations: annotations(),
        rows: vec![
            now(),
            requests(),
            calls_in(),
            waits_for(),
            saturation(),
            limits::row(),
            telemetry(),
        ],
    }
}

fn now() -> Row {
    let own = chosen();
    Row {
        title: "$service now",
        panels: vec![
            Panel::figures(
                "How many replicas are ready?",
                Unit::Count,
                "Replicas whose /readyz says yes.",
            )
            .ask(format!("sum({})", of(names::SERVICE_READY, &[&own])), "ready")
            .at_least(1.0)
            .wide(4),
            Panel::figures(
                "How much is it asked?",
                Unit::PerSecond,
                "Requests over HTTP and gRPC, all replicas together.",
            )
            .ask(served(&[], &[&own]), "requests")
            .wide(4),
            Panel::figures(
                "What share fails?",
                Unit::Share,
                "Through the service's own fault, over HTTP and gRPC.",
            )
            .ask(failed_share(&[], &[&own]), "failed")
            .at_most(OBJECTIVES.strictest_errors)
            .to(Link::Dashboard("windtunnel-slo", "How much budget that costs"))
            .wide(4),
            Panel::figures(
                "How long does it take?",
                Unit::Seconds,
                "99 % of requests are faster.",
            )
            .ask(served_within(0.99, &[], &[&own]), "99 % faster than")
            .warn_above(OBJECTIVES.browse_seconds)
            .at_most(OBJECTIVES.checkout_seconds)
            .wide(4),
            Panel::figures(
                "How long has it been up?",
                Unit::Seconds,
                "Since the start of the replica that started last.",
            )
            .ask(
                format!(
                    "time() - max({})",
                    of(names::PROCESS_START_TIME_SECONDS, &[&own])
                ),
                "since the last start",
            )
            .wide(4),
            Panel::figures(
                "Is its telemetry whole?",
                Unit::Count,
                "Lines and spans dropped in the last 5 minutes. Whatever is lost here is missing in logs and traces.",
            )
            .ask(
                format!("sum(increase({}[5m]))", of(names::TELEMETRY_DROPPED, &[&own])),
                "dropped",
            )
            .at_most(1.0)
            .wide(4),
        ],
    }
}

fn requests() -> Row {
    let own = chosen();
    let requests = names::HTTP_SERVER_REQUEST_DURATION;
    let route = [names::HTTP_REQUEST_METHOD, names::HTTP_ROUTE];
    Row {
        title: "HTTP",
        panels: vec![
            Panel::lines(
                "Which routes are asked for?",
                Unit::PerSecond,
                "Requests by route. Paths that match none are one series, whatever clients make up.",
            )
            .ask(observed(&route, requests, &[&own]), ROUTE_LEGEND),
            Panel::lines(
                "Which routes fail?",
                Unit::Share,
                "Responses from 500 on, by route.",
            )
            .ask(http_failed_share(&route, &[&own]), ROUTE_LEGEND)
            .at_most(OBJECTIVES.strictest_errors)
            .to(Link::Dashboard("windtunnel-slo", "How much budget that costs")),
            Panel::lines(
                "Which routes are slow?",
                Unit::Seconds,
                "99 % are faster. Dots are single requests; click one for its trace.",
            )
            .ask_with_exemplars(quantile(0.99, &route, requests, &[&own]), ROUTE_LEGEND)
            .warn_above(OBJECTIVES.browse_seconds)
            .at_most(OBJECTIVES.checkout_seconds),
            Panel::lines(
                "What is answered?",
                Unit::PerSecond,
                "Responses by status. 4xx is the client's doing, 499 a client that went away, 503 a request that was refused so that others are served, 504 one that took longer than its deadline.",
            )
            .ask(
                observed(&[names::HTTP_RESPONSE_STATUS_CODE], requests, &[&own]),
                "{{http_response_status_code}}",
            ),
            Panel::heatmap(
                "How are response times distributed?",
                "Two bands are two kinds of request, or one that sometimes waits for something. A quantile hides that.",
            )
            .ask_with_exemplars(buckets(requests, &[&own]), "{{le}}"),
            Panel::lines(
                "Is one replica slower than the others?",
                Unit::Seconds,
                "99 % are faster, replica by replica.",
            )
            .ask_with_exemplars(quantile(0.99, &["instance"], requests, &[&own]), "{{instance}}")
            .warn_above(OBJECTIVES.browse_seconds)
            .at_most(OBJECTIVES.checkout_seconds),
        ],
    }
}

fn calls_in() -> Row {
    let own = chosen();
    let calls = names::RPC_SERVER_CALL_DURATION;
    let method = [names::RPC_METHOD];
    Row {
        title: "gRPC",
        panels: vec![
            Panel::lines(
                "Which methods are called?",
                Unit::PerSecond,
                "Calls by method, from the headers of the call to the end of the response.",
            )
            .ask(observed(&method, calls, &[&own]), "{{rpc_method}}")
            .only_for_some("catalog and inventory", "no gRPC call"),
            Panel::lines(
                "Which methods fail?",
                Unit::Share,
                "Calls that end in a status that is the server's own fault, by method.",
            )
            .ask(rpc_failed_share(&method, &[&own]), "{{rpc_method}}")
            .at_most(OBJECTIVES.strictest_errors)
            .only_for_some("catalog and inventory", "no gRPC call"),
            Panel::lines("Which methods are slow?", Unit::Seconds, "99 % are faster.")
                .ask_with_exemplars(quantile(0.99, &method, calls, &[&own]), "{{rpc_method}}")
                .warn_above(OBJECTIVES.browse_seconds)
                .at_most(OBJECTIVES.checkout_seconds)
                .only_for_some("catalog and inventory", "no gRPC call"),
        ],
    }
}

fn waits_for() -> Row {
    let own = chosen();
    let callee = [names::SERVER_ADDRESS];
    let table = [names::DB_OPERATION_NAME, names::DB_COLLECTION_NAME];
    let event = [names::MESSAGING_DESTINATION_NAME];
    Row {
        title: "Whom it waits for",
        panels: vec![
            Panel::lines(
                "Whom does it call?",
                Unit::PerSecond,
                "Attempts to call other services, over HTTP and gRPC. Click a line for the dashboard of the callee.",
            )
            .ask(called(&callee, &[&own]), "{{server_address}}")
            .to(Link::Callee)
            .only_for_some("the gateway, orders and search", "it calls nobody"),
            Panel::lines(
                "Which calls fail?",
                Unit::Share,
                "Attempts without an answer, or with one that is the callee's own fault.",
            )
            .ask(call_failed_share(&callee, &[&own]), "{{server_address}}")
            .at_most(OBJECTIVES.strictest_errors)
            .to(Link::Callee)
            .only_for_some("the gateway, orders and search", "it calls nobody"),
            Panel::lines(
                "How long does it wait for them?",
                Unit::Seconds,
                "99 % of attempts are faster.",
            )
            .ask_with_exemplars(called_within(0.99, &callee, &[&own]), "{{server_address}}")
            .to(Link::Callee)
            .warn_above(OBJECTIVES.browse_seconds)
            .at_most(OBJECTIVES.checkout_seconds)
            .only_for_some("the gateway, orders and search", "it calls nobody"),
            Panel::lines(
                "How long do database operations take?",
                Unit::Seconds,
                "99 % are faster, by operation and table.",
            )
            .ask_with_exemplars(
                quantile(0.99, &table, names::DB_CLIENT_OPERATION_DURATION, &[&own]),
                "{{db_operation_name}} {{db_collection_name}}",
            )
            .warn_above(OBJECTIVES.browse_seconds)
            .only_for_some("services with a database", "it has no database"),
            Panel::lines(
                "How long do events take it?",
                Unit::Seconds,
                "99 % of deliveries are processed faster, by type of event.",
            )
            .ask_with_exemplars(
                quantile(0.99, &event, names::MESSAGING_PROCESS_DURATION, &[&own]),
                "{{messaging_destination_name}}",
            )
            .to(Link::Dashboard("windtunnel-journey", "The journey of an order"))
            .only_for_some("services that consume events", "it consumes no event"),
            Panel::lines(
                "Which events fail?",
                Unit::Share,
                "Deliveries that ended in an error and will be tried again, by type of event.",
            )
            .ask(
                error_share(&event, names::MESSAGING_PROCESS_DURATION, &[&own]),
                "{{messaging_destination_name}}",
            )
            .at_most(0.01)
            .to(Link::Dashboard("windtunnel-journey", "The journey of an order"))
            .only_for_some("services that consume events", "it consumes no event"),
        ],
    }
}

fn saturation() -> Row {
    let own = chosen();
    let gauge = |metric: &str| format!("sum by (instance) ({})", of(metric, &[&own]));
    Row {
        title: "How full it is",
        panels: vec![
            Panel::lines(
                "How many requests are in flight?",
                Unit::Count,
                "Being served now, by replica. Rising without end: it no longer keeps up.",
            )
            .ask(gauge(names::HTTP_SERVER_ACTIVE_REQUESTS), "{{instance}}"),
            Panel::lines(
                "How busy are its processors?",
                Unit::Processors,
                "Processors kept busy, by replica.",
            )
            .ask(
                growth(&["instance"], names::PROCESS_CPU_SECONDS, &[&own]),
                "{{instance}}",
            ),
            Panel::lines(
                "How much memory does it hold?",
                Unit::Bytes,
                "Resident memory, by replica.",
            )
            .ask(gauge(names::PROCESS_RESIDENT_MEMORY_BYTES), "{{instance}}"),
        ],
    }
}

fn telemetry() -> Row {
    let own = chosen();
    let signal = [names::SIGNAL];
    Row {
        title: "Can this be believed?",
        panels: vec![
            Panel::lines(
                "Is telemetry waiting?",
                Unit::Count,
                "Lines and spans accepted and not yet written or exported. The queues are bounded: what does not fit is dropped, so that no request waits.",
            )
            .ask(format!("sum by (signal) ({})", of(names::TELEMETRY_QUEUED, &[&own])), "{{signal}}"),
            Panel::lines(
                "Is telemetry lost?",
                Unit::PerSecond,
                "Lines and spans dropped because a queue was full, or a write or an export failed.",
            )
            .ask(growth(&signal, names::TELEMETRY_DROPPED, &[&own]), "{{signal}}")
            .at_most(0.1),
            Panel::lines(
                "Does the collector take spans?",
                Unit::PerSecond,
                "Batches of spans that could not be exported.",
            )
            .ask(growth(&[], names::TELEMETRY_EXPORT_FAILURES, &[&own]), "failed exports")
            .at_most(0.1)
            .only_with("an OTLP endpoint", "spans are not exported"),
        ],
    }
}
