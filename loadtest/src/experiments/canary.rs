//! Hypothesis: a new version that gets a tenth of the requests shows what it is before it has done much harm: a bad one is taken away, alone,
//! and a good one is promoted.
//!
//! Search is tried. Its canary gets a tenth of the searches, and so does a baseline, a replica as young as itself of the version that
//! serves; each shopper stays on one side. Both are judged by their own attempts: what a bad canary answers with 503 is tried again
//! elsewhere, so that hardly any shopper notices, and a judge who asked them would promote it. The last arm shows what the canary spares:
//! the same bad version replaces the good one at once. How late requests were sent is not asked: canary and baseline are compared by what they
//! measured themselves, and a late generator is late for both.

use crate::{
    canary::{Decision, Trial},
    deployment::{Farewell, Service},
    engine::mix::SEARCHES,
    experiment::{ARM, Arm, Experiment, LoadPhase, Needs, SHOP, nominal, warm_up},
    judge::{canary, reconcile, rollout, validity},
    measurement::Measurement,
    timeline::{Do, FAULT, Fault, at_start},
    verdict::{Check, Claim},
};

pub(super) const CANARY: Experiment = Experiment {
    name: "canary",
    question: "Is a bad version found by a tenth of the requests and taken away alone, and a good one promoted? (where it is named)",
    can_fail: "an arm without a canary, in which the bad version must fail many requests; [sabotage/](sabotage/)",
    needs: Needs::Nothing,
    by_default: false,
    arms: &[
        Arm {
            name: "failing",
            description: "A version that answers 30 % of searches with 503.",
            load: &[WARM_UP, tried(16), AFTER],
            timeline: &[
                at_start("warm-up", Do::FaultVersion(Service::Search, NEXT, FAILS)),
                TRY,
            ],
            checks: &ends(taken_away),
            ..TRIED
        },
        Arm {
            name: "slow",
            description: "A version that takes 400 ms longer.",
            load: &[WARM_UP, tried(24), AFTER],
            timeline: &[
                at_start("warm-up", Do::FaultVersion(Service::Search, NEXT, SLOW)),
                TRY,
            ],
            checks: &ends(taken_away),
            ..TRIED
        },
        Arm {
            name: "good",
            description: "A version with nothing wrong.",
            load: &[WARM_UP, tried(46), AFTER],
            timeline: &[TRY],
            checks: &ends(promoted),
            ..TRIED
        },
        Arm {
            name: "sham",
            description: "The version that serves, once more: there is nothing to find, and nothing to promote.",
            load: &[WARM_UP, tried(40), AFTER],
            timeline: &[at_start(
                "tried",
                Do::Try(Trial {
                    version: None,
                    ..TRIAL
                }),
            )],
            checks: &ends(neither),
            ..TRIED
        },
        Arm {
            name: "no_canary",
            description: "The version that answers 30 % of searches with 503 replaces the other at once.",
            claim: Claim::MustFail(&["few requests failed"]),
            load: &[WARM_UP, tried(12), AFTER],
            timeline: &[
                at_start("warm-up", Do::FaultVersion(Service::Search, NEXT, FAILS)),
                at_start("tried", Do::Replace(Service::Search, NEXT, Farewell::Drain)),
            ],
            checks: &[
                validity::finished,
                validity::lived,
                validity::rest,
                few_failed,
            ],
            tables: &[rollout::table],
            ..TRIED
        },
    ],
    across: &[],
    compared: &[],
};

const TRIED: Arm = Arm {
    shop: SHOP.mix(SEARCHES).replicas(&[(Service::Search, STABLE)]),
    tables: &[canary::table, rollout::table],
    ..ARM
};

/// Replicas that serve.
const STABLE: u32 = 2;
/// Searches a second, of which a tenth is enough for a canary to be promoted within half a minute.
const RATE: f64 = 140.0;
/// What new replicas call their version.
const NEXT: &str = "next";
const TRIAL: Trial = Trial {
    service: Service::Search,
    version: Some(NEXT),
    share: 0.1,
    slow_s: 0.25,
};
const TRY: crate::timeline::Step = at_start("tried", Do::Try(TRIAL));

const FAILS: Fault = Fault {
    route: "/search",
    error_ratio: 0.3,
    error_status: 503,
    ..FAULT
};
const SLOW: Fault = Fault {
    route: "/search",
    latency_ms: 400,
    ..FAULT
};

const WARM_UP: LoadPhase = warm_up(3).at(RATE);
const AFTER: LoadPhase = nominal("after", 4).at(RATE);

/// For so many seconds a version may be tried; what they are not needed for is load like any other.
const fn tried(seconds: u32) -> LoadPhase {
    nominal("tried", seconds).at(RATE)
}

/// What is asked of a trial that must end so.
const fn ends(so: fn(&Measurement) -> Vec<Check>) -> [fn(&Measurement) -> Vec<Check>; 5] {
    [
        validity::finished,
        validity::lived,
        validity::rest,
        so,
        reconcile::all,
    ]
}

fn few_failed(it: &Measurement) -> Vec<Check> {
    vec![canary::few_failed(it)]
}

fn taken_away(it: &Measurement) -> Vec<Check> {
    let right = |it| matches!(it, Decision::RolledBack("errors" | "slowness"));
    vec![
        canary::ended(it, "the canary was rolled back", right),
        canary::few_failed(it),
        canary::found_early(it),
        canary::left(it, Service::Search, None),
        rollout::versions(it),
    ]
}

fn promoted(it: &Measurement) -> Vec<Check> {
    vec![
        canary::ended(it, "the canary was promoted", |it| it == Decision::Promoted),
        rollout::no_request_failed(it),
        canary::share(it, "GET /search", TRIAL.share),
        canary::left(it, Service::Search, Some(NEXT)),
        rollout::versions(it),
    ]
}

fn neither(it: &Measurement) -> Vec<Check> {
    vec![
        canary::ended(
            it,
            "the canary was neither promoted nor rolled back",
            |it| it == Decision::NothingNew,
        ),
        rollout::no_request_failed(it),
        canary::share(it, "GET /search", TRIAL.share),
        canary::left(it, Service::Search, None),
        rollout::versions(it),
    ]
}
