//! Hypothesis: while the inventory hangs, product pages still come, without saying what is in stock, and orders go on.
//!
//! That the fault is felt shows in how long the pages take: each waits for the inventory until its time is over.

use crate::{
    deployment::Service,
    experiment::{ARM, Arm, Experiment, Needs, nominal, warm_up},
    judge::{audit, objectives, objectives::Objective, reconcile, validity, values},
    timeline::{Do, FAULT, Fault, at_start},
    verdict::Claim,
};

pub(super) const DEGRADE: Experiment = Experiment {
    name: "degrade",
    question: "Do product pages still come, and orders go on, while the inventory does not answer?",
    can_fail: "the pages, which must be too slow meanwhile",
    needs: Needs::Nothing,
    arms: &[Arm {
        name: "hung",
        description: "The inventory hangs whenever it is asked what is in stock.",
        claim: Claim::MustFail(&["product pages are fast"]),
        load: &[warm_up(2), nominal("measured", 9).measured()],
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
    }],
    across: &[],
};

const COME: Objective = Objective::available("product pages come", &["GET /products/{id}"], 0.99);

const HANG: Fault = Fault {
    route: "/windtunnel.inventory.v1.Inventory/GetAvailability",
    hang: true,
    ..FAULT
};
