//! Hypothesis: any server that the shop runs on may be killed and stay away for a while, and still no acknowledged order gets
//! lost or doubled, no service dies of it, and each says truly whether it is ready.
//!
//! Two replicas of every service that has to do with events share the work. That the audit can fail is shown by the patches in
//! `sabotage/`; that the probes are asked is shown by the services that must turn unready.

use std::time::Duration;

use crate::{
    deployment::{
        Server::{self, Elasticsearch, Kafka, Memcached, Postgres, Rabbitmq, Redis},
        Service::{self, Catalog, Inventory, Orders, Payments, Search},
        backends::Role,
    },
    experiment::{ARM, Arm, Experiment, Needs, SHOP, during_rounds},
    judge::{audit, kills, validity},
    measurement::Measurement,
    timeline::{Do, Rounds, Step},
    verdict::{Check, Group, Outcome},
};

pub(super) const OUTAGE: Experiment = Experiment {
    name: "outage",
    question: "May any server that the shop runs on be away for ten seconds without an acknowledged order being lost or taken twice, and do the probes say so? (with `--backends`)",
    can_fail: "patches in sabotage, and services that must say they are not ready",
    needs: Needs::Servers,
    by_default: true,
    arms: &[Arm {
        name: "outages",
        description: "Each server is killed with SIGKILL and started again after 10 s; two replicas of every service that publishes or consumes events.",
        // Where servers are away an order waits: were it cancelled after 30 s, a server that starts slowly would decide how many
        // are confirmed.
        shop: SHOP.env(&[("ORDER_TIMEOUT", "2m")]).replicas(&[
            (Catalog, 2),
            (Inventory, 2),
            (Orders, 2),
            (Payments, 2),
            (Search, 2),
        ]),
        load: &[during_rounds("outages")],
        timeline: &[Step::Rounds(OUTAGES)],
        checks: &[
            validity::finished,
            kills::checks,
            on_time,
            validity::rest,
            audit::all,
            readiness,
            validity::lived,
        ],
        tables: &[kills::table],
        ..ARM
    }],
    across: &[],
    compared: &[],
};

/// How long a server is away before it is started again.
const AWAY: Duration = Duration::from_secs(10);
/// A server that is started again later than this was away for longer than its row says.
const MAX_LATE: Duration = Duration::from_secs(1);

/// After each outage the server starts, and the shop catches up.
const OUTAGES: Rounds = Rounds {
    phase: "outages",
    first: Duration::from_secs(5),
    every: Duration::from_mins(1),
    rest: Duration::from_secs(5),
    rounds: &[
        &away(Postgres),
        &away(Redis),
        &away(Memcached),
        &away(Rabbitmq),
        &away(Kafka),
        &away(Elasticsearch),
    ],
};

const fn away(server: Server) -> [(Duration, Do); 2] {
    [
        (Duration::ZERO, Do::StopServer(server)),
        (AWAY, Do::StartServer(server)),
    ]
}

/// Whether `service` cannot do what it is for without a server of this role. A cache is never needed.
fn needs(service: Service, role: Role) -> bool {
    match role {
        Role::Databases => Service::WITH_DATABASE.contains(&service),
        Role::Broker => service.hears_or_tells(),
        Role::Search => service == Service::Search,
        Role::Cache => false,
    }
}

/// Whoever kills and starts servers must not be held up by what their absence does to the shop.
fn on_time(it: &Measurement) -> Vec<Check> {
    let outages = it.outages();
    let longest = outages.iter().map(|it| it.away).max().unwrap_or_default();
    let outcome = Outcome::pass_or_invalid(longest <= AWAY + MAX_LATE);
    let check = Check::new(
        Group::Validity,
        "servers were started again on time",
        outcome,
    );
    vec![check.saw(
        format!("down for {:.2} s at most", longest.as_secs_f64()),
        format!("at most {} s", (AWAY + MAX_LATE).as_secs()),
    )]
}

fn readiness(it: &Measurement) -> Vec<Check> {
    let mut wrong = Vec::new();
    let outages = it.outages();
    for outage in &outages {
        let Some(server) = outage.server else {
            continue;
        };
        for replica in &outage.asked {
            let (service, number) = *replica;
            let name = server.name();
            match (
                needs(service, server.role()),
                outage.unready.contains(replica),
            ) {
                (true, false) => {
                    wrong.push(format!("{service}-{number} was ready without {name}"));
                }
                (false, true) => wrong.push(format!(
                    "{service}-{number} was not ready without {name}, which it can do without"
                )),
                _ => (),
            }
        }
    }
    let outcome = Outcome::pass_or_fail(wrong.is_empty());
    let check = Check::new(Group::Audit, "readiness probes were correct", outcome)
        .saw(
            format!("{} outages, {} wrong", outages.len(), wrong.len()),
            "services that need a server are not ready while it is down; others stay ready",
        )
        .because(wrong);
    vec![check]
}
