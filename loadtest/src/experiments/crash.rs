//! Hypothesis: any service may be killed at any moment, and still no order that a client was told is taken gets lost, and none
//! is taken twice.
//!
//! Clients do see errors meanwhile, and try to order again under the same key. That the audit can fail is shown by patches
//! that break what it guards, in `sabotage/`.

use std::time::Duration;

use crate::{
    deployment::Service::{self, Catalog, Gateway, Inventory, Orders, Payments, Search, Users},
    experiment::{ARM, Arm, Experiment, Needs, nominal},
    judge::{audit, kills, validity},
    timeline::{Do, Rounds, Step},
};

pub(super) const CRASH: Experiment = Experiment {
    name: "crash",
    question: "May any service be killed at any moment without an acknowledged order being lost or taken twice?",
    can_fail: "[sabotage/](sabotage/): patches that break what the audit guards",
    needs: Needs::Nothing,
    by_default: true,
    arms: &[Arm {
        name: "kills",
        description: "Every service is killed with SIGKILL, one after the other, twice.",
        load: &[nominal("kills", 48)],
        timeline: &[Step::Rounds(KILLS)],
        checks: &[
            validity::finished,
            kills::checks,
            validity::rest,
            audit::all,
        ],
        tables: &[kills::table],
        ..ARM
    }],
    across: &[],
    compared: &[],
};

/// A service is back in much less than the time to the next kill.
const KILLS: Rounds = Rounds {
    phase: "kills",
    first: Duration::from_secs(3),
    every: Duration::from_secs(3),
    rest: Duration::ZERO,
    rounds: &[
        &[kill(Catalog)],
        &[kill(Gateway)],
        &[kill(Inventory)],
        &[kill(Orders)],
        &[kill(Payments)],
        &[kill(Search)],
        &[kill(Users)],
        &[kill(Catalog)],
        &[kill(Gateway)],
        &[kill(Inventory)],
        &[kill(Orders)],
        &[kill(Payments)],
        &[kill(Search)],
        &[kill(Users)],
    ],
};

const fn kill(service: Service) -> (Duration, Do) {
    (Duration::ZERO, Do::Kill(service))
}
