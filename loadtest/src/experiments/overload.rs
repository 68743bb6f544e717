//! Hypothesis: given three times what it has room for, the shop does as much as it can, checkouts first, and tells the others at once.
//!
//! What there is too little of is the catalogue: a fault makes of it one of sixteen workers, which take 160 ms for each request, whatever it
//! asks for. That is 100 requests a second, and a visit makes two and a half of them. No flag tells the shop of it: the limit has to be
//! found. In the arm that must be harmed nothing limits how many requests are under way, as axum and hyper are by default; all of
//! them wait for a worker then, in turn, and what an answer comes to is in time for nobody.

use crate::{
    deployment::Service,
    experiment::{ARM, Arm, Experiment, Needs, SHOP, nominal, warm_up},
    judge::{audit, overload, reconcile, validity, values},
    timeline::{Do, FAULT, Fault, Step, at_start},
    verdict::Claim,
};

pub(super) const OVERLOAD: Experiment = Experiment {
    name: "overload",
    question: "Does the shop do what it can, checkouts first, when it is asked for three times as much?",
    can_fail: "an arm without limits on how much is under way, whose goodput must collapse",
    needs: Needs::Nothing,
    by_default: true,
    arms: &[
        Arm {
            name: "shedding",
            description: "The catalogue has room for 100 requests a second, and is asked for 300.",
            checks: &[
                validity::checks,
                validity::room,
                overload::offered,
                overload::promises,
                overload::refusals,
                validity::rest,
                audit::all,
                reconcile::all,
                values::all,
            ],
            ..CROWDED
        },
        Arm {
            name: "off",
            description: "The same, where services begin whatever comes.",
            claim: Claim::MustFail(&["goodput holds under overload", "checkouts come first"]),
            shop: SHOP
                .env(&[("CONCURRENCY_LIMIT", "off")])
                .upstreams("protections=off"),
            // Visits that take long leave no idle user for some arrivals. There is overload all the same: nothing else could
            // harm what must be harmed.
            checks: &[
                validity::finished,
                validity::room,
                overload::promises,
                validity::rest,
                audit::all,
                reconcile::all,
                values::all,
            ],
            ..CROWDED
        },
    ],
    across: &[],
    compared: &[],
};

/// Visits a second that keep the workers busy nine tenths of their time.
const NEARLY_FULL: f64 = 36.0;
/// Three times what the workers can do.
const THREEFOLD: f64 = 120.0;

const CROWDED: Arm = Arm {
    load: &[
        warm_up(2).at(NEARLY_FULL),
        nominal(overload::CAPACITY, 8).at(NEARLY_FULL),
        nominal("rising", 2).at(2.0 * NEARLY_FULL),
        nominal(overload::OVERLOAD, 12).at(THREEFOLD),
    ],
    timeline: WORKERS,
    tables: &[overload::table, overload::limits],
    ..ARM
};

const WORKERS: &[Step] = &[at_start(
    "warm-up",
    Do::Fault(
        Service::Catalog,
        Fault {
            workers: 16,
            latency_ms: 160,
            ..FAULT
        },
    ),
)];
