//! Hypothesis: at nominal load the shop keeps its objectives, and what it says of itself is what its clients saw.
//!
//! The arm that must fail answers one in twenty product requests at the catalogue with an error. If the objectives still held,
//! they would prove nothing.

use crate::{
    deployment::Service,
    experiment::{ARM, Arm, Experiment, Needs, nominal, warm_up},
    judge::{audit, objectives, reconcile, validity, values},
    timeline::{Do, FAULT, Fault, at_start},
    verdict::Claim,
};

pub(super) const BASELINE: Experiment = Experiment {
    name: "baseline",
    question: "Does the shop keep its objectives at the nominal load, and do all signals agree with the clients?",
    can_fail: "an arm in which 5 % of the catalogue's product requests fail, and which must miss two objectives",
    needs: Needs::Nothing,
    by_default: true,
    arms: &[
        Arm {
            name: "nominal",
            description: "Nominal load: shoppers who browse, search and buy.",
            load: &[warm_up(3), nominal("measured", 44).measured()],
            ..STEADY
        },
        Arm {
            name: "errors",
            description: "The catalogue answers 5 % of product requests with an error.",
            claim: Claim::MustFail(&["browsing is available", "product pages are fast"]),
            load: &[warm_up(3), nominal("measured", 22).measured()],
            timeline: &[at_start("warm-up", Do::Fault(Service::Catalog, ERRORS))],
            ..STEADY
        },
    ],
    across: &[],
    compared: &[],
};

const STEADY: Arm = Arm {
    objectives: &[objectives::all],
    checks: &[
        validity::checks,
        validity::rest,
        audit::all,
        reconcile::all,
        values::all,
    ],
    ..ARM
};

const ERRORS: Fault = Fault {
    route: "/products/{id}",
    error_ratio: 0.05,
    ..FAULT
};
