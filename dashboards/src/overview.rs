//! Is the shop well, and if not, where to look?

use telemetry::names;

use crate::{
    annotations::annotations,
    model::{Colour, Dashboard, Link, Panel, Row, Unit},
    objectives,
    promql::{
        failed_share, growth, http_failed_share, is, observed, of, pool_use, quantile, served,
        served_within,
    },
    thresholds::OBJECTIVES,
};

/// Alerts that somebody is told of.
const FIRING: &str = "ALERTS{alertstate=\"firing\"}";

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "windtunnel-overview",
        title: "Overview",
        description: "Is the shop well, and if not, where to look? The four golden signals at the door, and each service beside the others.",
        variables: Vec::new(),
        annotations: annotations(),
        rows: vec![now(), door(), services(), processes()],
    }
}

const READY: &[(i64, &str, Colour)] = &[(0, "not ready", Colour::Bad), (1, "ready", Colour::Good)];

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            objectives::left().wide(24),
            Panel::figures(
                "Which services are ready?",
                Unit::Count,
                "Ready means what /readyz says: the service takes requests and reaches what it needs. The replica that is worst off counts. A service that is missing here is not scraped at all.",
            )
            .ask(format!("min by (service) ({})", names::SERVICE_READY), "{{service}}")
            .at_least(1.0)
            .words(READY)
            .to(Link::Service)
            .wide(14),
            Panel::table(
                "Which alerts are firing?",
                Unit::Count,
                &[
                    ("alertname", "alert"),
                    ("severity", "severity"),
                    ("service", "service"),
                    ("slo", "objective"),
                ],
                "instances",
                "Click an alert to read what it means and what to do about it. A switch that always fires shows that the way to whoever is on call works.",
            )
            .ask(format!("sum by (alertname, severity, service, slo) ({FIRING})"), "")
            .to(Link::Runbook)
            .to(Link::Service)
            .wide(10)
            .high(5),
        ],
    }
}

fn door() -> Row {
    let gateway = is("service", "gateway");
    let requests = names::HTTP_SERVER_REQUEST_DURATION;
    let by = [names::HTTP_REQUEST_METHOD, names::HTTP_ROUTE];
    Row {
        title: "What shoppers see, at the gateway",
        panels: vec![
            Panel::lines(
                "How many requests come in?",
                Unit::PerSecond,
                "Traffic. A sudden fall is as bad a sign as errors: whoever cannot reach the shop is in no other panel.",
            )
            .ask(observed(&by, requests, &[&gateway]), "{{http_request_method}} {{http_route}}")
            .to(Link::Dashboard("windtunnel-service", "Dashboards of the services")),
            Panel::lines(
                "What share of them fails?",
                Unit::Share,
                "Errors: responses from 500 on. What a client does wrong (4xx) does not count. The line is what the strictest objective allows over 30 days; a short peak above it only spends budget.",
            )
            .ask(http_failed_share(&[], &[&gateway]), "all routes")
            .ask(http_failed_share(&by, &[&gateway]), "{{http_request_method}} {{http_route}}")
            .at_most(OBJECTIVES.strictest_errors)
            .to(Link::Dashboard("windtunnel-slo", "How much budget that costs")),
            Panel::lines(
                "How long do shoppers wait?",
                Unit::Seconds,
                "Latency until the head of the response. Orange is the limit of product pages and lists, red that of search and checkout: 99 % must be faster. Each dot is a request; click it for its trace.",
            )
            .ask_with_exemplars(quantile(0.5, &[], requests, &[&gateway]), "half are faster than")
            .ask_with_exemplars(quantile(0.95, &[], requests, &[&gateway]), "95 % are faster than")
            .ask_with_exemplars(quantile(0.99, &[], requests, &[&gateway]), "99 % are faster than")
            .warn_above(OBJECTIVES.browse_seconds)
            .at_most(OBJECTIVES.checkout_seconds)
            .to(Link::Dashboard("windtunnel-slo", "How much budget that costs")),
        ],
    }
}

fn services() -> Row {
    let by = ["service"];
    Row {
        title: "Service by service",
        panels: vec![
            Panel::lines(
                "How many requests does each service serve?",
                Unit::PerSecond,
                "HTTP and gRPC together. One request of a shopper is several here. Click a line for the dashboard of the service.",
            )
            .ask(served(&by, &[]), "{{service}}")
            .to(Link::Service)
            .wide(6),
            Panel::lines(
                "Where do requests fail?",
                Unit::Share,
                "The service that fails and everybody between it and the shopper rise together: the cause is the one that is called by the others.",
            )
            .ask(failed_share(&by, &[]), "{{service}}")
            .at_most(OBJECTIVES.strictest_errors)
            .to(Link::Service)
            .wide(6),
            Panel::lines(
                "Where is time spent?",
                Unit::Seconds,
                "99 % are faster than this. Callers wait for whom they call, so look for the service that is slow while those it calls are not.",
            )
            .ask_with_exemplars(served_within(0.99, &by, &[]), "{{service}}")
            .warn_above(OBJECTIVES.browse_seconds)
            .at_most(OBJECTIVES.checkout_seconds)
            .to(Link::Service)
            .wide(6),
            Panel::lines(
                "Who has more to do than it gets done?",
                Unit::Count,
                "Requests in flight. By Little's law this is rate times latency: it rises with either, and without end where a service no longer keeps up.",
            )
            .ask(
                format!("sum by (service) ({})", names::HTTP_SERVER_ACTIVE_REQUESTS),
                "{{service}}",
            )
            .to(Link::Service)
            .wide(6),
        ],
    }
}

fn processes() -> Row {
    Row {
        title: "What that takes",
        panels: vec![
            Panel::lines(
                "Who uses the processors?",
                Unit::Processors,
                "Processors kept busy, all replicas of a service together.",
            )
            .ask(growth(&["service"], names::PROCESS_CPU_SECONDS, &[]), "{{service}}")
            .to(Link::Service)
            .wide(6),
            Panel::lines(
                "Who uses the memory?",
                Unit::Bytes,
                "Resident memory of the largest replica.",
            )
            .ask(
                format!("max by (service) ({})", names::PROCESS_RESIDENT_MEMORY_BYTES),
                "{{service}}",
            )
            .to(Link::Service)
            .wide(6),
            Panel::lines(
                "How full are the connection pools?",
                Unit::Share,
                "Connections in use over those there may be. At 100 % requests wait for a connection, and time out after that.",
            )
            .ask(pool_use(&["service"], &[]), "{{service}}")
            .at_most(0.9)
            .most(1.0)
            .to(Link::Dashboard("windtunnel-dependencies", "What the shop depends on"))
            .wide(6),
            Panel::lines(
                "Which processes have restarted?",
                Unit::Seconds,
                "Age of the youngest replica. A line that falls to zero is a restart.",
            )
            .ask(
                format!(
                    "time() - max by (service) ({})",
                    of(names::PROCESS_START_TIME_SECONDS, &[])
                ),
                "{{service}}",
            )
            .to(Link::Service)
            .wide(6),
        ],
    }
}
