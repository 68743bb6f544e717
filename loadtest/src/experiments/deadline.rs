//! Hypothesis: a caller who waits for 300 ms is answered within them whatever takes longer behind the gateway, and from then on nobody
//! works for him.
//!
//! The leaf is the catalogue, which takes 900 ms for whatever it is asked, directly or on the way of an order. Two things end work for
//! those who have gone: callees are told how much time is left (`deadline`), and a call that nobody waits for is closed, which its callee
//! notices (`cancel`). The second is what hyper does by default. Each is enough here, and each has an arm of its own. In the arm that must
//! be harmed there is neither: nobody is told, and calls go on as they do in a task, or a thread, of their own. That is no library's
//! default in Rust, and usual elsewhere. Concurrency limits and circuit breakers are off throughout: they would stop some of the work for
//! reasons of their own.

use crate::{
    deployment::Service::Catalog,
    engine::mix::{Mix, NOBODY},
    experiment::{ARM, Arm, Experiment, Needs, SHOP, Shop, nominal, warm_up},
    judge::{audit, deadline, reconcile, validity, values},
    timeline::{Do, FAULT, Fault, at_end, at_start},
    verdict::Claim,
};

pub(super) const DEADLINE: Experiment = Experiment {
    name: "deadline",
    question: "Is a caller who waits 300 ms answered within them, and does all work for him stop then? (where it is named)",
    can_fail: "an arm that tells nobody of the deadline and lets calls go on, in which leaves must work for callers who have gone",
    needs: Needs::Nothing,
    by_default: false,
    arms: &[
        Arm {
            name: "propagated",
            description: "The catalogue takes 900 ms, and callers wait for 300.",
            shop: HURRIED.upstreams("breaker=off"),
            ..SLOW_LEAF
        },
        Arm {
            name: "told_only",
            description: "The same, where calls go on when nobody waits for them: callees stop because they are told how much time is left.",
            shop: HURRIED.upstreams("breaker=off&cancel=off"),
            ..SLOW_LEAF
        },
        Arm {
            name: "closed_only",
            description: "The same, where nobody is told: callees stop because the call is closed.",
            shop: HURRIED.upstreams("breaker=off&deadline=off"),
            ..SLOW_LEAF
        },
        Arm {
            name: "neither",
            description: "The same, where nobody is told and calls go on.",
            claim: Claim::MustFail(&[
                "work stops with its caller",
                "databases are left alone by callers who have gone",
            ]),
            shop: HURRIED.upstreams("breaker=off&deadline=off&cancel=off"),
            ..SLOW_LEAF
        },
    ],
    across: &[],
    compared: &[],
};

/// Who looks around asks the leaf through the gateway alone, who orders through orders too.
const BOTH: Mix = Mix {
    browser: 1,
    buyer: 1,
    ..NOBODY
};

const HURRIED: Shop = SHOP
    .env(&[("TRUST_DEADLINE", "true"), ("CONCURRENCY_LIMIT", "off")])
    .mix(BOTH);

/// Visits a second: few enough for the processors, and some hundred requests that are given up.
const VISITS: f64 = 16.0;

const SLOW_LEAF: Arm = Arm {
    deadline_ms: Some(deadline::DEADLINE_MS),
    load: &[warm_up(3).at(VISITS), nominal(deadline::SLOW, 8).at(VISITS)],
    // Whoever orders tries four times.
    users_per_rate: 10.0,
    timeline: &[
        at_start(deadline::SLOW, Do::Fault(Catalog, LATE)),
        at_end(deadline::SLOW, Do::ClearFaults(Catalog)),
    ],
    checks: &[
        validity::checks,
        validity::room,
        deadline::felt,
        deadline::kept,
        validity::rest,
        audit::all,
        reconcile::all,
        values::all,
    ],
    tables: &[deadline::table],
    ..ARM
};

const LATE: Fault = Fault {
    latency_ms: 900,
    ..FAULT
};
