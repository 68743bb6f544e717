//! Hypothesis: after two seconds in which too much was asked of it the shop is as it was within ten; retries do not keep it down.
//!
//! What there is too little of is the catalogue: a fault makes of it one of eight workers, which take 160 ms for each request, so that 50
//! a second fit. Thirty come, and for two seconds 120. A try is given up after 500 ms in both arms.
//!
//! In the arm that must be harmed calls are tried again up to three times, however many fail, nothing bounds what waits, and work that was
//! given up goes on: callees are not told how much time is left, and calls are not closed. No library does all that by default. It is a
//! habit, of loops around a call and of work in tasks of its own, and it takes all three: four tries of thirty requests are more than fit,
//! so what waits never gets less although all that is asked for would fit.

use crate::{
    deployment::Service::Catalog,
    engine::mix::{Mix, NOBODY},
    experiment::{ARM, Arm, Experiment, Needs, SHOP, nominal, warm_up},
    judge::{reconcile, storm, validity, values},
    timeline::{Do, FAULT, Fault, at_start},
    verdict::Claim,
};

pub(super) const STORM: Experiment = Experiment {
    name: "storm",
    question: "Is the shop itself again within ten seconds of a trigger, or do retries keep it down? (where it is named)",
    can_fail: "an arm that tries again whatever fails, without a budget, and works on what was given up: its goodput must stay collapsed",
    needs: Needs::Nothing,
    by_default: false,
    arms: &[
        Arm {
            name: "budget",
            description: "The catalogue has room for 50 requests a second, 30 come, and 120 for two seconds.",
            shop: SHOP.upstreams("try=500ms").mix(READERS),
            checks: &[
                validity::checks,
                validity::room,
                storm::felt,
                storm::back,
                storm::bounded,
                validity::rest,
                reconcile::all,
                values::all,
            ],
            ..TRIGGERED
        },
        Arm {
            name: "naive",
            description: "The same, where each failed call is tried three times more, nothing is refused, and what was given up is worked on.",
            claim: Claim::MustFail(&[
                "goodput is back after the trigger",
                "retries stay within their budget",
            ]),
            shop: SHOP
                .env(&[("CONCURRENCY_LIMIT", "off")])
                .upstreams("protections=off&retries=always&try=500ms&deadline=off&cancel=off")
                .mix(READERS),
            checks: &[
                validity::checks,
                validity::room,
                storm::felt,
                storm::back,
                storm::bounded,
                validity::rest,
            ],
            ..TRIGGERED
        },
    ],
    across: &[],
    compared: &[],
};

const READERS: Mix = Mix {
    reader: 1,
    ..NOBODY
};

/// Visits a second, each of which is one product page: three fifths of what fits.
const USUAL: f64 = 30.0;

const TRIGGERED: Arm = Arm {
    load: &[
        warm_up(2).at(USUAL),
        nominal(storm::BEFORE, 6).at(USUAL),
        nominal(storm::TRIGGER, 2).at(4.0 * USUAL),
        nominal(storm::AFTER, 30).at(USUAL),
    ],
    // A visit lasts for as long as its clients wait, where it is not answered.
    users_per_rate: 4.0,
    timeline: &[at_start(
        "warm-up",
        Do::Fault(
            Catalog,
            Fault {
                workers: 8,
                latency_ms: 160,
                ..FAULT
            },
        ),
    )],
    tables: &[storm::table],
    ..ARM
};
