//! Hypothesis: a version replaces another under load, replica by replica, and nobody notices: not one request fails, no event is lost, and
//! everything that was counted is known.
//!
//! The gateway and checkout take a little longer than they would, so that requests are under way whenever a replica goes. Clients
//! find gateways as a load balancer in front of them would. How late requests were sent is not asked: whether they fail does not depend
//! on that. Where old replicas are killed, requests must fail: then what was under way is lost with them.

use std::time::Duration;

use crate::{
    deployment::{
        Farewell,
        Service::{self, Catalog, Gateway, Inventory, Orders, Payments, Search, Users},
    },
    experiment::{ARM, Arm, Experiment, Needs, during_rounds, nominal, warm_up},
    judge::{audit, reconcile, rollout, validity},
    measurement::Measurement,
    timeline::{Do, FAULT, Fault, Rounds, Step, at_start},
    verdict::{Check, Claim},
};

pub(super) const ROLLOUT: Experiment = Experiment {
    name: "rollout",
    question: "Does a new version of every service come under load without one failed request or one lost event? (where it is named)",
    can_fail: "an arm in which old replicas are killed, where requests must fail; [sabotage/](sabotage/)",
    needs: Needs::Nothing,
    by_default: false,
    arms: &[
        Arm {
            name: "rolling",
            description: "Every service is replaced, replica by replica: a new one is ready before an old one drains.",
            timeline: &[
                at_start("warm-up", Do::Fault(Gateway, LONGER)),
                at_start("warm-up", Do::Fault(Orders, LONGER_CHECKOUT)),
                Step::Rounds(Rounds {
                    rounds: &[
                        &[drained(Catalog)],
                        &[drained(Gateway)],
                        &[drained(Inventory)],
                        &[drained(Orders)],
                        &[drained(Payments)],
                        &[drained(Search)],
                        &[drained(Users)],
                    ],
                    ..RESTARTS
                }),
            ],
            checks: &[
                validity::finished,
                validity::lived,
                validity::rest,
                unnoticed,
                replaced,
                audit::all,
                reconcile::all,
            ],
            ..REPLACED
        },
        Arm {
            name: "killed",
            description: "The same, but old replicas are killed once a new one is ready.",
            claim: Claim::MustFail(&["no request failed"]),
            timeline: &[
                at_start("warm-up", Do::Fault(Gateway, LONGER)),
                at_start("warm-up", Do::Fault(Orders, LONGER_CHECKOUT)),
                Step::Rounds(Rounds {
                    rounds: &[
                        &[killed(Catalog)],
                        &[killed(Gateway)],
                        &[killed(Orders)],
                        &[killed(Gateway)],
                    ],
                    ..RESTARTS
                }),
            ],
            checks: &[
                validity::finished,
                validity::lived,
                validity::rest,
                no_request_failed,
                audit::all,
            ],
            ..REPLACED
        },
    ],
    across: &[],
    compared: &[],
};

const REPLACED: Arm = Arm {
    load: &[warm_up(3), during_rounds("restarts"), nominal("after", 4)],
    tables: &[rollout::table],
    ..ARM
};

/// A replica has come and gone in less.
const RESTARTS: Rounds = Rounds {
    phase: "restarts",
    first: Duration::from_secs(1),
    every: Duration::from_secs(4),
    rest: Duration::from_secs(1),
    rounds: &[],
};

/// What new replicas call their version.
const NEXT: &str = "next";

/// At any time some requests are at the gateway, fewer than it has room for, ...
const LONGER: Fault = Fault {
    latency_ms: 20,
    ..FAULT
};
/// ... and some orders are being placed.
const LONGER_CHECKOUT: Fault = Fault {
    route: "/orders",
    latency_ms: 100,
    ..FAULT
};

const fn drained(service: Service) -> (Duration, Do) {
    (Duration::ZERO, Do::Replace(service, NEXT, Farewell::Drain))
}

const fn killed(service: Service) -> (Duration, Do) {
    (Duration::ZERO, Do::Replace(service, NEXT, Farewell::Kill))
}

fn no_request_failed(it: &Measurement) -> Vec<Check> {
    vec![rollout::no_request_failed(it)]
}

fn unnoticed(it: &Measurement) -> Vec<Check> {
    vec![
        rollout::no_request_failed(it),
        rollout::no_attempt_failed(it),
    ]
}

fn replaced(it: &Measurement) -> Vec<Check> {
    vec![rollout::replaced(it, NEXT), rollout::versions(it)]
}
