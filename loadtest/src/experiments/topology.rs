//! Hypothesis: in one process calls need no network, and the shop costs less memory and processor time; as services, what happens to one of them
//! happens to no other.
//!
//! The same libraries, behind the same clients, with the same databases and events (`monolith/`). Calls, bytes, latency and what processes take
//! are measured under three fifths of the usual load; then, each on a shop of its own, search is killed again and again, leaks until it is killed for that,
//! burns CPU, is replaced by a new version and is scaled to three. As services, calls must be found on a network; in one process, killing
//! search must kill other routes too. What a noisy machine decides is shown and not judged: latencies, memory, processor time, starts.
//!
//! Reconciliation is left out of the arms in one process: a caller and its callee count into the same series there, under the name of
//! one service, so that there are no two sides to compare. So it is where processes are killed, which takes away what they had counted.

use std::time::Duration;

use crate::{
    deployment::{
        Farewell,
        Service::{self, Search},
        Topology,
    },
    experiment::{ARM, Arm, Experiment, LoadPhase, Needs, SHOP, Shop, nominal, warm_up},
    judge::{
        audit, kills, reconcile,
        topology::{
            self, BURNS, CALM, KILL_CONTAINED, KILLED, LEAK_CONTAINED, LEAKS, NEXT, NO_NETWORK,
            REPLACED, SCALED, STEADY,
        },
        validity, values,
    },
    timeline::{Do, FAULT, Fault, Rounds, Step, after, at_end, at_start},
    verdict::Claim,
};

pub(super) const TOPOLOGY: Experiment = Experiment {
    name: "topology",
    question: "What does it cost, and what does it save, that the shop is seven services and not one process? (where it is named)",
    can_fail: "the shop in one process, of which every route must die with search; and as services, whose calls must cross a network",
    needs: Needs::Nothing,
    by_default: false,
    arms: &[
        Arm {
            name: "services",
            description: "Seven services, with three fifths of the usual shoppers.",
            claim: Claim::MustFail(&[NO_NETWORK]),
            shop: SERVICES,
            checks: &[
                validity::checks,
                topology::inside,
                validity::rest,
                audit::all,
                reconcile::all,
                values::all,
            ],
            ..UNHARMED
        },
        Arm {
            name: "monolith",
            description: "The same in one process; reconciliation is left out.",
            shop: MONOLITH,
            checks: &[
                validity::checks,
                topology::inside,
                validity::rest,
                audit::all,
            ],
            ..UNHARMED
        },
        Arm {
            name: "services.hurt",
            description: "As services, search is killed, leaks, burns CPU, is replaced and is scaled to three; reconciliation is left out.",
            shop: SERVICES,
            ..HURT
        },
        Arm {
            name: "monolith.hurt",
            description: "The same is done to search in one process.",
            claim: Claim::MustFail(&[KILL_CONTAINED, LEAK_CONTAINED]),
            shop: MONOLITH,
            ..HURT
        },
    ],
    across: &[topology::same_work],
    compared: &[topology::compared],
};

/// On files, wherever else a run keeps its data: a process has one environment, and these are two ways to read it.
const SERVICES: Shop = Shop {
    backends: Some(&[]),
    ..SHOP
};

const MONOLITH: Shop = SERVICES.topology(Topology::Monolith);

/// Fewer shoppers than usual, so that the processors have time for what is measured.
const UNHARMED: Arm = Arm {
    load: &[warm_up(3), nominal(STEADY, 20).times(0.6)],
    ..ARM
};

const HURT: Arm = Arm {
    load: &[
        warm_up(3),
        nominal(CALM, 5),
        nominal(KILLED, 11),
        rest("after the kills"),
        nominal(LEAKS, 5),
        rest("after the leak"),
        nominal(BURNS, 5),
        rest("after the burn"),
        nominal(REPLACED, 5),
        nominal(SCALED, 6),
    ],
    timeline: &[
        Step::Rounds(KILLS),
        after(LEAKS, 1, Do::Leak(Search)),
        at_start(BURNS, Do::Fault(Search, BURN)),
        at_end(BURNS, Do::ClearFaults(Search)),
        after(REPLACED, 1, Do::Replace(Search, NEXT, Farewell::Drain)),
        at_start(SCALED, Do::Scale(Search, 3)),
    ],
    checks: &[
        validity::finished,
        topology::blast,
        topology::replaced,
        kills::recovery,
        validity::rest,
        audit::all,
    ],
    tables: &[topology::routes],
    ..ARM
};

/// Breakers close again, and orders that waited are worked off.
const fn rest(name: &'static str) -> LoadPhase {
    nominal(name, 4)
}

/// Whoever dies again and again is started again after twice the time.
const KILLS: Rounds = Rounds {
    phase: KILLED,
    first: Duration::from_secs(1),
    every: Duration::from_secs(2),
    rest: Duration::ZERO,
    rounds: &[
        &[kill(Search)],
        &[kill(Search)],
        &[kill(Search)],
        &[kill(Search)],
    ],
};

const fn kill(service: Service) -> (Duration, Do) {
    (Duration::ZERO, Do::Kill(service))
}

/// A search computes for as long as a core has for a few hundred.
const BURN: Fault = Fault {
    cpu_ms: 150,
    ..FAULT
};
