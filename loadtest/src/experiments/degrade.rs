//! Hypothesis: while the inventory hangs, product pages still come as fast as ever, without saying what is in stock, and orders go on.
//!
//! That the fault is felt shows where no circuit breaker stands before the inventory: each page then waits for it until its time is
//! over.

use crate::{
    deployment::Service,
    experiment::{ARM, Arm, Experiment, Needs, SHOP, nominal, warm_up},
    judge::{audit, objectives, objectives::Objective, reconcile, validity, values},
    timeline::{Do, FAULT, Fault, at_start},
    verdict::Claim,
};

pub(super) const DEGRADE: Experiment = Experiment {
    name: "degrade",
    question: "Do product pages still come, as fast as ever, and orders go on, while the inventory does not answer?",
    can_fail: "an arm without circuit breakers, in which pages must be too slow",
    needs: Needs::Nothing,
    by_default: true,
    arms: &[
        Arm {
            name: "hung",
            description: "The inventory hangs whenever it is asked what is in stock.",
            load: &[warm_up(3), nominal("measured", 30).measured()],
            ..HUNG
        },
        Arm {
            name: "no_breaker",
            description: "The same without circuit breakers: each page waits until the time of its call is over.",
            claim: Claim::MustFail(&["product pages are fast"]),
            shop: SHOP.upstreams("breaker=off"),
            load: &[warm_up(2), nominal("measured", 9).measured()],
            ..HUNG
        },
    ],
    across: &[],
    compared: &[],
};

const HUNG: Arm = Arm {
    timeline: &[at_start("warm-up", Do::Fault(Service::Inventory, HANG))],
    objectives: &[objectives::all, |it| objectives::these(&[COME], it)],
    checks: &[
        validity::checks,
        validity::rest,
        audit::all,
        reconcile::all,
        values::all,
    ],
    ..ARM
};

const COME: Objective = Objective::available("product pages come", &["GET /products/{id}"], 0.99);

const HANG: Fault = Fault {
    route: "/windtunnel.inventory.v1.Inventory/GetAvailability",
    hang: true,
    ..FAULT
};
