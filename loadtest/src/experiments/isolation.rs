//! Hypothesis: while one service fails, hangs or is slow, requests that do not need it notice nothing, and those that do fail fast or get
//! along without it.
//!
//! Faults come one after the other in one run, each between stretches in which nothing is wrong, with which it is compared; one of them has
//! no effect, and must not be felt. The arm without protections has what a plain client has (hyper-util's, or reqwest): no time limit, no
//! circuit breaker, no bulkhead, no retries. There, pages that could do without the inventory must fail.

use crate::{
    deployment::Service::{Catalog, Inventory, Payments, Search},
    experiment::{ARM, Arm, Experiment, LoadPhase, Needs, SHOP, nominal, warm_up},
    judge::{
        audit,
        isolation::{self, Protection, Trial},
        reconcile, validity, values,
    },
    measurement::Measurement,
    table::Table,
    timeline::{Do, FAULT, Fault, at_end, at_start},
    verdict::{Check, Claim},
};

pub(super) const ISOLATION: Experiment = Experiment {
    name: "isolation",
    question: "While one service fails, hangs or is slow, who else notices? (where it is named)",
    can_fail: "an arm with plain clients, in which pages must fail that could do without the service",
    needs: Needs::Nothing,
    by_default: false,
    arms: &[
        Arm {
            name: "protected",
            description: "One after the other: nothing fails, the inventory hangs, some lists fail, search fails, the catalogue takes 2 s, payments hang, one catalogue of three fails.",
            // As many calls as this load has in flight to a slow catalogue do not fit.
            shop: SHOP.upstreams("bulkhead=48").replicas(&[(Catalog, 3)]),
            load: &[
                warm_up(3),
                shoppers("calm 1", 4),
                shoppers("sham", 3),
                shoppers("inventory hangs", 6),
                shoppers("calm 2", 3),
                shoppers("some lists fail", 5),
                shoppers("search fails", 8),
                shoppers("calm 3", 5),
                shoppers("catalog is slow", 8),
                shoppers("calm 4", 5),
                shoppers("payments hang", 4),
                shoppers("one catalog of three fails", 7),
            ],
            timeline: &[
                at_start("sham", Do::Fault(Catalog, FAULT)),
                at_end("sham", Do::ClearFaults(Catalog)),
                at_start("inventory hangs", Do::Fault(Inventory, HANGS)),
                at_end("inventory hangs", Do::ClearFaults(Inventory)),
                at_start("some lists fail", Do::Fault(Catalog, SOME)),
                at_end("some lists fail", Do::ClearFaults(Catalog)),
                at_start("search fails", Do::Fault(Search, FAILS)),
                at_end("search fails", Do::ClearFaults(Search)),
                at_start("catalog is slow", Do::Fault(Catalog, SLOW)),
                at_end("catalog is slow", Do::ClearFaults(Catalog)),
                at_start("payments hang", Do::Fault(Payments, UNPAID)),
                at_end("payments hang", Do::ClearFaults(Payments)),
                at_start("one catalog of three fails", Do::FaultOne(Catalog, FAILS)),
                at_end("one catalog of three fails", Do::ClearFaults(Catalog)),
            ],
            users_per_rate: PATIENT,
            checks: &[
                validity::checks,
                validity::rest,
                isolated,
                audit::all,
                reconcile::all,
                values::all,
            ],
            tables: &[table],
            ..ARM
        },
        Arm {
            name: "plain_clients",
            description: "The inventory hangs, and callers have neither time limits nor circuit breakers, bulkheads or retries.",
            claim: Claim::MustFail(&["inventory hangs: GET /products/{id} still answers"]),
            shop: SHOP.upstreams("protections=off&timeout=1m"),
            load: &[
                warm_up(2),
                shoppers("calm 1", 3),
                shoppers("inventory hangs", 4),
            ],
            timeline: &[
                at_start("inventory hangs", Do::Fault(Inventory, HANGS)),
                at_end("inventory hangs", Do::ClearFaults(Inventory)),
            ],
            users_per_rate: PATIENT,
            checks: &[validity::checks, validity::rest, harmed, audit::all],
            tables: &[table],
            ..ARM
        },
    ],
    across: &[],
    compared: &[],
};

/// A shopper who waits two seconds for each of a few pages is busy for longer than the usual half of one.
const PATIENT: f64 = 10.0;

const TRIAL: Trial = Trial {
    name: "",
    faulty: None,
    fail: &[],
    behind: &[],
    degrade: &[],
    acts: &[],
};

const TRIALS: [Trial; 7] = [
    Trial {
        name: "sham",
        ..TRIAL
    },
    Trial {
        name: "inventory hangs",
        faulty: Some(Inventory),
        degrade: &["GET /products/{id}"],
        acts: &[Protection::Breaker],
        ..TRIAL
    },
    Trial {
        name: "some lists fail",
        faulty: Some(Catalog),
        fail: &["GET /products"],
        acts: &[Protection::Retries],
        ..TRIAL
    },
    Trial {
        name: "search fails",
        faulty: Some(Search),
        fail: &["GET /search"],
        acts: &[Protection::Breaker],
        ..TRIAL
    },
    Trial {
        name: "catalog is slow",
        faulty: Some(Catalog),
        fail: &["GET /products", "GET /products/{id}"],
        behind: &["POST /orders"],
        acts: &[Protection::Breaker, Protection::Bulkhead],
        ..TRIAL
    },
    Trial {
        name: "payments hang",
        faulty: Some(Payments),
        ..TRIAL
    },
    Trial {
        name: "one catalog of three fails",
        faulty: Some(Catalog),
        fail: &["GET /products", "GET /products/{id}", "POST /orders"],
        acts: &[Protection::Ejection],
        ..TRIAL
    },
];

fn isolated(it: &Measurement) -> Vec<Check> {
    isolation::checks(&TRIALS, it)
}

/// There is no breaker of which to ask anything.
fn harmed(it: &Measurement) -> Vec<Check> {
    let trial = Trial {
        acts: &[],
        ..TRIALS[1]
    };
    isolation::checks(&[trial], it)
}

fn table(it: &Measurement) -> Table {
    isolation::table(&TRIALS, it)
}

/// Fewer shoppers than usual, so that the processors have time for what is measured.
const fn shoppers(name: &'static str, seconds: u32) -> LoadPhase {
    nominal(name, seconds).times(0.6)
}

const HANGS: Fault = Fault {
    route: "/windtunnel.inventory.v1.Inventory/GetAvailability",
    hang: true,
    ..FAULT
};

/// Such that another try may help, and too few for the breaker.
const SOME: Fault = Fault {
    route: "/products",
    error_ratio: 0.3,
    error_status: 503,
    ..FAULT
};

const FAILS: Fault = Fault {
    error_ratio: 1.0,
    ..FAULT
};

const SLOW: Fault = Fault {
    latency_ms: 2_000,
    ..FAULT
};

/// Money is asked for later, and no request waits for it.
const UNPAID: Fault = Fault {
    route: "stock.reserved",
    hang: true,
    ..FAULT
};
