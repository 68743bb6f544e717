//! Hypothesis: ten times the orders for some seconds are all taken at once, and worked off at the rate that the payment provider allows;
//! none is lost, and none is taken twice.
//!
//! The provider takes 800 ms for each charge, and payments asks it for sixteen at a time: 20 orders a second, whatever the machine could
//! do. Usually four come. In the arm that must be harmed an order is answered when it is final (`--answer-when` of orders), as where
//! checkout calls the provider before it answers: then the queue stands in front of shoppers, who do not wait for it. A switch of the
//! service, and not shoppers who count differently: what fails must fail at the shop.

use std::time::Duration;

use crate::{
    engine::mix::{Mix, NOBODY},
    experiment::{ARM, Arm, Experiment, Needs, SHOP, nominal, warm_up},
    judge::{audit, reconcile, spike, validity, values},
    measurement::Measurement,
    verdict::{Check, Claim},
};

pub(super) const SPIKE: Experiment = Experiment {
    name: "spike",
    question: "Are ten times the orders taken at once, and worked off as fast as payments can? (where it is named)",
    can_fail: "an arm whose checkout waits for the payment, in which most orders of the spike must fail",
    needs: Needs::Nothing,
    by_default: false,
    arms: &[
        Arm {
            name: "queued",
            description: "Forty orders a second come for 6 s, and payments can charge 20.",
            checks: &[
                validity::checks,
                validity::room,
                spike::felt,
                spike::at_once,
                spike::taken,
                worked_off,
                validity::rest,
                audit::all,
                reconcile::all,
                values::all,
            ],
            ..TENFOLD
        },
        Arm {
            name: "waiting",
            description: "The same, where an order is answered when it has been paid.",
            claim: Claim::MustFail(&["the spike is taken"]),
            shop: SHOP
                .env(&[("PROVIDER_LATENCY", LATENCY), ("ANSWER_WHEN", "final")])
                .mix(ORDERERS),
            // None is taken before it is paid, which takes longer than at once.
            checks: &[
                validity::checks,
                validity::room,
                spike::felt,
                spike::taken,
                worked_off,
                validity::rest,
                audit::all,
                reconcile::all,
                values::all,
            ],
            ..TENFOLD
        },
    ],
    across: &[],
    compared: &[],
};

const ORDERERS: Mix = Mix {
    orderer: 1,
    ..NOBODY
};

/// Orders a second.
const USUAL: f64 = 4.0;

const LATENCY: &str = "800ms";
const PROVIDER: Duration = Duration::from_millis(800);

const TENFOLD: Arm = Arm {
    shop: SHOP.env(&[("PROVIDER_LATENCY", LATENCY)]).mix(ORDERERS),
    load: &[
        warm_up(3).at(USUAL),
        nominal(spike::BEFORE, 8).at(USUAL),
        nominal(spike::SPIKE, 6).at(10.0 * USUAL),
        nominal(spike::AFTER, 12).at(USUAL),
    ],
    // Whoever waits for the payment waits for as long as clients do.
    users_per_rate: 4.0,
    tables: &[spike::table],
    ..ARM
};

fn worked_off(it: &Measurement) -> Vec<Check> {
    spike::drained(it, PROVIDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_predicted_is_what_the_provider_is_started_with() {
        assert_eq!(format!("{}ms", PROVIDER.as_millis()), LATENCY);
    }
}
