//! Who calls whom, and the servers behind: databases, brokers, caches, names.

use telemetry::names;

use crate::{
    annotations::annotations,
    model::{Colour, Dashboard, Link, Panel, Row, Unit},
    promql::{
        call_failed_share, called, called_within, error_share, growth, like, observed, pool_use,
        quantile, some, unanswered,
    },
    thresholds::OBJECTIVES,
};

/// A caller and whom it calls.
const EDGE: [&str; 2] = ["service", names::SERVER_ADDRESS];
const EDGE_LEGEND: &str = "{{service}} → {{server_address}}";

const BROKER_LEGEND: &str = "{{service}} → {{messaging_system}}";
const SERVER_LEGEND: &str = "{{service}} → {{db_system_name}}";
/// What panels say of servers that the shop runs without.
const WITHOUT: &str = "the shop runs without shared cache and search engine";

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "windtunnel-dependencies",
        title: "Dependencies",
        description: "Who calls whom, as the callers saw it, and what lies behind the services: databases, brokers, shared caches, names.",
        variables: Vec::new(),
        annotations: annotations(),
        rows: vec![calls(), discovery(), databases(), brokers(), remote()],
    }
}

fn calls() -> Row {
    let reasons = [&EDGE[..], &[names::ERROR_TYPE]].concat();
    Row {
        title: "Calls between services",
        panels: vec![
            Panel::table(
                "Who calls whom, and how often?",
                Unit::PerSecond,
                &[("service", "caller"), ("server_address", "callee")],
                "attempts",
                "The service graph: attempts in a second, over HTTP and gRPC, counted by the caller.",
            )
            .ask(called(&EDGE, &[]), "")
            .to(Link::Service)
            .to(Link::Callee)
            .wide(6),
            Panel::lines(
                "Which calls fail?",
                Unit::Share,
                "Attempts without an answer, or with one that is the callee's own fault, of all attempts. Click for the dashboard of the callee.",
            )
            .ask(call_failed_share(&EDGE, &[]), EDGE_LEGEND)
            .at_most(OBJECTIVES.strictest_errors)
            .to(Link::Callee)
            .wide(6),
            Panel::lines(
                "Which calls are slow?",
                Unit::Seconds,
                "99 % of attempts are faster. The difference to what the callee says itself is the way there, and the wait for a connection.",
            )
            .ask_with_exemplars(called_within(0.99, &EDGE, &[]), EDGE_LEGEND)
            .warn_above(OBJECTIVES.browse_seconds)
            .at_most(OBJECTIVES.checkout_seconds)
            .to(Link::Callee)
            .wide(6),
            Panel::lines(
                "Why do calls get no answer?",
                Unit::PerSecond,
                "By reason. A refused connection is tried again on another replica, everything else is not: connect, timeout, cancelled by the caller's own caller.",
            )
            .ask(
                unanswered(&reasons),
                "{{service}} → {{server_address}}: {{error_type}}",
            )
            .to(Link::Callee)
            .quiet_until("hang at inventory", "every call was answered")
            .wide(6),
        ],
    }
}

fn discovery() -> Row {
    let lookup = ["service", names::DNS_QUESTION_NAME];
    Row {
        title: "Discovery",
        panels: vec![
            Panel::lines(
                "How many replicas does each caller know?",
                Unit::Count,
                "Zero means that nothing can be called. Callers that know different numbers for long do not hear of changes.",
            )
            .ask(
                format!("min by (service, server_address) ({})", names::DISCOVERY_REPLICAS),
                EDGE_LEGEND,
            )
            .at_least(1.0)
            .to(Link::Callee),
            Panel::lines(
                "How often are names looked up?",
                Unit::PerSecond,
                "By outcome: when an answer has expired, and when a replica refuses a connection. If a lookup fails, the last known replicas are kept.",
            )
            .ask(
                observed(&[&lookup[..], &[names::ERROR_TYPE]].concat(), names::DNS_LOOKUP_DURATION, &[]),
                "{{service}}: {{dns_question_name}} {{error_type}}",
            )
            .only_with("dns:// addresses", "no name is looked up: services are found by a file"),
            Panel::lines(
                "How long do lookups take?",
                Unit::Seconds,
                "99 % are faster. No request waits for a lookup.",
            )
            .ask(
                quantile(0.99, &lookup, names::DNS_LOOKUP_DURATION, &[]),
                "{{service}}: {{dns_question_name}}",
            )
            .only_with("dns:// addresses", "no name is looked up: services are found by a file"),
        ],
    }
}

fn databases() -> Row {
    let own = like(names::DB_SYSTEM_NAME, "sqlite|postgresql");
    let operation = names::DB_CLIENT_OPERATION_DURATION;
    let by = ["service"];
    Row {
        title: "Databases",
        panels: vec![
            Panel::lines(
                "How much do databases do?",
                Unit::PerSecond,
                "Operations by service and kind.",
            )
            .ask(
                observed(&["service", names::DB_OPERATION_NAME], operation, &[&own]),
                "{{service}} {{db_operation_name}}",
            )
            .to(Link::Service),
            Panel::lines(
                "Which databases are slow?",
                Unit::Seconds,
                "99 % of operations are faster, the wait for a connection included.",
            )
            .ask_with_exemplars(quantile(0.99, &by, operation, &[&own]), "{{service}}")
            .warn_above(OBJECTIVES.browse_seconds)
            .to(Link::Service),
            Panel::lines(
                "Which databases fail?",
                Unit::Share,
                "Operations that ended in an error, of all.",
            )
            .ask(error_share(&by, operation, &[&own]), "{{service}}")
            .at_most(OBJECTIVES.strictest_errors)
            .to(Link::Service),
            Panel::lines(
                "How full are the connection pools?",
                Unit::Share,
                "Connections in use over those there may be, by pool. At 100 % requests wait for one.",
            )
            .ask(
                pool_use(&["service", names::DB_CLIENT_CONNECTION_POOL_NAME], &[]),
                "{{service}} {{db_client_connection_pool_name}}",
            )
            .at_most(0.9)
            .most(1.0)
            .to(Link::Service),
            Panel::lines(
                "Who waits for a connection in vain?",
                Unit::PerSecond,
                "Requests that did not get a connection in time.",
            )
            .ask(growth(&by, names::DB_CLIENT_CONNECTION_TIMEOUTS, &[]), "{{service}}")
            .at_most(0.1)
            .to(Link::Service),
            Panel::lines(
                "Do log-ins queue up?",
                Unit::Count,
                "Passwords being hashed or waiting for it. A hash keeps a processor busy for some 30 ms, on purpose.",
            )
            .ask(format!("sum by (service) ({})", names::PASSWORD_HASHES_PENDING), "{{service}}")
            .to(Link::Service),
        ],
    }
}

fn brokers() -> Row {
    let send = names::MESSAGING_CLIENT_OPERATION_DURATION;
    let by = ["service", names::MESSAGING_SYSTEM];
    Row {
        title: "Broker",
        panels: vec![
            Panel::lines(
                "How many events does the broker take?",
                Unit::PerSecond,
                "Events sent, by service.",
            )
            .ask(observed(&by, send, &[]), BROKER_LEGEND)
            .to(Link::Dashboard(
                "windtunnel-journey",
                "The journey of an order",
            )),
            Panel::lines(
                "How long does it take for one?",
                Unit::Seconds,
                "99 % are faster. No request waits for it: events leave through an outbox.",
            )
            .ask_with_exemplars(quantile(0.99, &by, send, &[]), BROKER_LEGEND)
            .to(Link::Dashboard(
                "windtunnel-journey",
                "The journey of an order",
            )),
            Panel::lines(
                "Does it refuse events?",
                Unit::Share,
                "Events that were not taken, of all. They stay in the outbox and are sent again.",
            )
            .ask(error_share(&by, send, &[]), BROKER_LEGEND)
            .at_most(0.01)
            .to(Link::Dashboard(
                "windtunnel-journey",
                "The journey of an order",
            )),
        ],
    }
}

const OPEN: &[(i64, &str, Colour)] = &[(0, "closed", Colour::Good), (1, "open", Colour::Bad)];

fn remote() -> Row {
    let servers = like(names::DB_SYSTEM_NAME, "redis|memcached|elasticsearch");
    let operation = names::DB_CLIENT_OPERATION_DURATION;
    let by = ["service", names::DB_SYSTEM_NAME];
    Row {
        title: "Shared cache and search engine",
        panels: vec![
            Panel::lines(
                "How much do they do?",
                Unit::PerSecond,
                "Operations at Redis, Memcached or Elasticsearch.",
            )
            .ask(observed(&by, operation, &[&servers]), SERVER_LEGEND)
            .to(Link::Service)
            .only_with("redis or memcached", WITHOUT),
            Panel::lines(
                "How long do they take?",
                Unit::Seconds,
                "99 % of operations are faster.",
            )
            .ask_with_exemplars(quantile(0.99, &by, operation, &[&servers]), SERVER_LEGEND)
            .to(Link::Service)
            .only_with("redis or memcached", WITHOUT),
            Panel::lines(
                "Which operations fail?",
                Unit::Share,
                "Of all. The shop goes on without its shared cache, and without search it says so.",
            )
            .ask(error_share(&by, operation, &[&servers]), SERVER_LEGEND)
            .at_most(0.01)
            .to(Link::Service)
            .only_with("redis or memcached", WITHOUT),
            Panel::figures(
                "Is the shared cache left alone?",
                Unit::Count,
                "The circuit breaker opens after five failures in a row; then one call a second tries again.",
            )
            .ask(format!("max by (service, cache) ({})", names::CACHE_BREAKER_OPEN), "{{service}} {{cache}}")
            .at_most(1.0)
            .words(OPEN)
            .to(Link::Dashboard("windtunnel-caching", "Caching"))
            .only_with("redis or memcached", "no shared cache")
            .wide(8)
            .high(8),
            Panel::lines(
                "Why do calls to it fail?",
                Unit::PerSecond,
                "Calls to the shared cache that came to nothing, by reason. The value was loaded from its source.",
            )
            .ask(
                growth(&["cache", names::ERROR_TYPE], names::CACHE_FAILURES, &[&some(names::ERROR_TYPE)]),
                "{{cache}}: {{error_type}}",
            )
            .to(Link::Dashboard("windtunnel-caching", "Caching"))
            .only_with("a shared cache that is taken away", "no call has failed")
            .wide(16),
        ],
    }
}
