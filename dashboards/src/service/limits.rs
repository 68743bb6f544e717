//! What a service has a limited amount of.

use telemetry::names;

use crate::{
    model::{Panel, Row, Unit},
    promql::{chosen, growth, of, pool_use},
};

pub(super) fn row() -> Row {
    let own = chosen();
    let gauge = |metric: &str| format!("sum by (instance) ({})", of(metric, &[&own]));
    let files = |metric: &str| format!("max by (instance) ({})", of(metric, &[&own]));
    Row {
        title: "How near its limits it is",
        panels: [
            connections(),
            vec![
            Panel::lines(
                "How much of its memory does it use?",
                Unit::Share,
                "Memory that is in no file over what the process may have, where there is a limit.",
            )
            .ask(
                format!(
                    "{} / {}",
                    files(names::PROCESS_ANONYMOUS_MEMORY_BYTES),
                    files(names::PROCESS_MEMORY_LIMIT_BYTES)
                ),
                "{{instance}}",
            )
            .at_most(0.9)
            .most(1.0)
            .only_with("a limit of memory, such as that of a container", "no limit is set")
            .wide(6),
            Panel::lines(
                "How many files are open?",
                Unit::Share,
                "Open file descriptors, connections among them, over those the process may have.",
            )
            .ask(
                format!(
                    "{} / {}",
                    files(names::PROCESS_OPEN_FDS),
                    files(names::PROCESS_MAX_FDS)
                ),
                "{{instance}}",
            )
            .at_most(0.8)
            .most(1.0)
            .wide(6),
            Panel::lines(
                "Are passwords waiting to be hashed?",
                Unit::Count,
                "Log-ins and registrations cost one hash each, and few are worked on at once.",
            )
            .ask(gauge(names::PASSWORD_HASHES_PENDING), "{{instance}}")
            .only_for_some("users", "it hashes no password")
            .wide(6),
        ],
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

fn connections() -> Vec<Panel> {
    let own = chosen();
    vec![
        Panel::lines(
            "How full are its connection pools?",
            Unit::Share,
            "Connections in use over those there may be, by pool: at 100 % requests wait.",
        )
        .ask(
            pool_use(&[names::DB_CLIENT_CONNECTION_POOL_NAME], &[&own]),
            "{{db_client_connection_pool_name}}",
        )
        .at_most(0.9)
        .most(1.0)
        .only_for_some("services with a database", "it has no database")
        .wide(6),
        Panel::lines(
            "Do requests time out waiting for a connection?",
            Unit::PerSecond,
            "Requests that got no connection to the database in time.",
        )
        .ask(
            growth(&["instance"], names::DB_CLIENT_CONNECTION_TIMEOUTS, &[&own]),
            "{{instance}}",
        )
        .at_most(0.1)
        .only_for_some("services with a database", "it has no database")
        .wide(6),
        Panel::lines(
            "Which connections does it close?",
            Unit::PerSecond,
            "Connections closed because of what their client did or did not, by reason: idle ones, those whose client reads nothing, heads that are malformed or too large, addresses with too many.",
        )
        .ask(
            growth(&[names::ERROR_TYPE], names::HTTP_SERVER_CONNECTIONS_CLOSED, &[&own]),
            "{{error_type}}",
        )
        .wide(6),
    ]
}
