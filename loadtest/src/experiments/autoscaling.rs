//! Hypothesis: replicas that come and go with the load, as Kubernetes would have them, keep the objective that the fewest lose, for
//! less than the most cost.
//!
//! Search is all that is loaded, and all that is scaled, by the very file that a cluster is given (`deploy/k8s/base/search/hpa.yaml`) on
//! a clock thirty times as fast. What a replica can do is modelled, so that it does not depend on the machine: so many searches at a
//! time, so long each. Two such replicas cannot serve the load of the step, and a search waits longer and longer. The objective must be
//! back a few seconds after the step, in which replicas have to be asked for and started: what it takes them to be ready counts.

use crate::{
    autoscaler::{self, Settings},
    deployment::Service,
    engine::mix::SEARCHES,
    experiment::{ARM, Arm, Experiment, LoadPhase, Needs, SHOP, Shop, nominal, warm_up},
    judge::{objectives, scaling, validity},
    measurement::Measurement,
    table::{Cell, Table},
    timeline::{Do, FAULT, Fault, Step, at_start},
    verdict::{Check, Claim, Group, Outcome},
};

pub(super) const AUTOSCALING: Experiment = Experiment {
    name: "autoscaling",
    question: "Do replicas that come and go as Kubernetes would have them keep searches fast, for less than always having the most?",
    can_fail: "the arm with the fewest replicas, in which searches must be too slow; [sabotage/](sabotage/)",
    needs: Needs::Nothing,
    by_default: true,
    arms: &[
        Arm {
            name: "minimum",
            description: "Two replicas of search, the fewest that the autoscaler may leave.",
            claim: Claim::MustFail(&[FAST]),
            shop: FEWEST,
            load: &[WARM_UP, BEFORE, STEP, held(4)],
            checks: &[
                validity::checks,
                validity::room,
                validity::rest,
                fast,
                nothing_else,
            ],
            ..SCALED
        },
        Arm {
            name: "maximum",
            description: "Six replicas of search, the most that the autoscaler may ask for.",
            shop: FEWEST.replicas(&[(Service::Search, MOST)]),
            load: &[WARM_UP, BEFORE, STEP, held(6)],
            checks: &[
                validity::checks,
                validity::room,
                validity::rest,
                fast,
                available,
                nothing_else,
            ],
            ..SCALED
        },
        Arm {
            name: "autoscaled",
            description: "As many as Kubernetes' autoscaler says, from two to six.",
            shop: Shop {
                autoscaled: Some(TIME_SCALE),
                ..FEWEST
            },
            load: &[WARM_UP, BEFORE, STEP, held(16), AFTER],
            checks: &[
                validity::checks,
                validity::room,
                validity::rest,
                fast,
                available,
                scaled,
                shares,
                nothing_else,
            ],
            tables: &[decisions, starts],
            ..SCALED
        },
    ],
    across: &[cheaper],
    compared: &[],
};

const SCALED: Arm = Arm {
    timeline: &[MODELLED],
    tables: &[starts],
    ..ARM
};

/// The objective that two replicas lose under the load of the step, as it is called.
const FAST: &str = "search is fast";

/// How much faster time passes for the autoscaler: its period of 15 s is half a second, and its window of 3 minutes six.
const TIME_SCALE: f64 = 30.0;
/// The fewest replicas and the most, as the autoscaler has them; a test compares.
const FEW: u32 = 2;
const MOST: u32 = 6;
const FEWEST: Shop = Shop {
    mix: SEARCHES,
    ..SHOP.replicas(&[(Service::Search, FEW)])
};

/// What a replica of search can do: 53 searches in a second.
pub(crate) const CAPACITY: Fault = Fault {
    route: "/search",
    workers: 4,
    latency_ms: 75,
    ..FAULT
};
const MODELLED: Step = at_start("warm-up", Do::Fault(Service::Search, CAPACITY));

/// Searches a second that keep three of the eight workers of two replicas busy, ...
const LOW: f64 = 40.0;
/// ... and those of the step, which eleven workers would be busy with.
const HIGH: f64 = 140.0;
/// Seconds after the step within which the objective must be back.
const BACK_WITHIN: u32 = 5;

const WARM_UP: LoadPhase = warm_up(2).at(LOW);
const BEFORE: LoadPhase = nominal("before", 2).at(LOW);
const STEP: LoadPhase = nominal("step", BACK_WITHIN).at(HIGH);
const AFTER: LoadPhase = nominal("after", 10).at(LOW);

/// The load of the step goes on, and the objective must hold.
const fn held(seconds: u32) -> LoadPhase {
    nominal("held", seconds).at(HIGH)
}

fn fast(it: &Measurement) -> Vec<Check> {
    objectives::during("held", &[FAST], &it.clients)
}

fn available(it: &Measurement) -> Vec<Check> {
    objectives::during("held", &["search is available"], &it.clients)
}

fn nothing_else(it: &Measurement) -> Vec<Check> {
    vec![scaling::nothing_else(it, Service::Search)]
}

fn shares(it: &Measurement) -> Vec<Check> {
    vec![scaling::shares(it, Service::Search)]
}

fn scaled(it: &Measurement) -> Vec<Check> {
    let Ok(settings) = Settings::of_search(TIME_SCALE) else {
        return Vec::new();
    };
    let window = settings.window_down().as_secs_f64() / TIME_SCALE;
    let period = autoscaler::SYNC_PERIOD.as_secs_f64() / TIME_SCALE;
    vec![
        scaling::turns(it),
        scaling::no_haste(it, "step", "after", window, period),
        scaling::drained(it, Service::Search, "after"),
    ]
}

/// A second of load costs fewer replica-seconds autoscaled than at the maximum.
fn cheaper(arms: &[Measurement]) -> Vec<Check> {
    let [minimum, maximum, autoscaled] = arms else {
        return Vec::new();
    };
    let cost = |it: &Measurement| scaling::cost(it, Service::Search);
    let (least, most, own) = (cost(minimum), cost(maximum), cost(autoscaled));
    let outcome = Outcome::pass_or_fail(own < most);
    let check = Check::new(
        Group::Objective,
        "autoscaling costs less than the maximum",
        outcome,
    );
    vec![check.saw(
        format!("{own:.2} replicas on average, {least:.2} at the minimum"),
        format!("fewer than the {most:.2} of the maximum"),
    )]
}

/// Every change, with why.
fn decisions(it: &Measurement) -> Table {
    let row = |it: &crate::measurement::Decided| {
        vec![
            Cell::Seconds(Some(it.at)),
            Cell::Text(it.decision.change()),
            Cell::Text(it.decision.sentence.clone()),
        ]
    };
    Table {
        title: "What the autoscaler changed",
        columns: &["after", "change", "why"],
        rows: it.replicas.changes().map(row).collect(),
    }
}

/// Every replica of search, with how long it took to start and to drain.
fn starts(it: &Measurement) -> Table {
    let row = |it: &crate::measurement::Presence| {
        let between = |from: Option<f64>, to: Option<f64>| Some(to? - from?);
        vec![
            Cell::Text(it.instance.clone()),
            Cell::Seconds(Some(it.started.max(0.0))),
            Cell::Seconds(between(Some(it.started), it.ready)),
            Cell::Seconds(it.left),
            Cell::Seconds(between(it.left, it.ended)),
        ]
    };
    Table {
        title: "Replicas of search",
        columns: &[
            "replica",
            "asked for",
            "start took",
            "taken away",
            "drain took",
        ],
        rows: it.replicas.of_service(Service::Search).map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_arms_have_the_fewest_and_the_most_that_the_autoscaler_may_have() {
        let settings = Settings::of_search(TIME_SCALE).unwrap();
        assert_eq!((settings.min(), settings.max()), (FEW, MOST));
    }

    /// Two cannot serve the step and three can serve what was before it, or the arms show nothing.
    #[test]
    fn the_step_is_too_much_for_the_fewest_and_not_for_the_most() {
        let each = f64::from(u32::try_from(CAPACITY.workers).unwrap()) * 1000.0
            / f64::from(u32::try_from(CAPACITY.latency_ms).unwrap());
        assert!(LOW < 0.5 * each * f64::from(FEW));
        assert!(HIGH > 1.2 * each * f64::from(FEW));
        assert!(HIGH < 0.5 * each * f64::from(MOST));
    }
}
