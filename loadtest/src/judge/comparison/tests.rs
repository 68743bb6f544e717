//! What is said of shops that differ by as much as is planted, on a machine that has its moods.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use rand_distr::{Distribution as _, LogNormal};

use super::*;
use crate::recording::{Cell, histogram};

const TOLERANCE: f64 = 0.05;

/// What is different about B, and how long the series is.
#[derive(Clone, Copy)]
struct Planted {
    /// Its latencies and its processor time are so many times those of A.
    factor: f64,
    /// The share of its requests that fail.
    errors: f64,
    /// Requests in a slice.
    requests: usize,
    pairs: usize,
}

const NOTHING: Planted = Planted {
    factor: 1.0,
    errors: 0.0,
    requests: 300,
    pairs: 12,
};

/// Pairs of slices on a machine that becomes slower and faster, by turns of some slices.
fn pairs(random: &mut SmallRng, planted: Planted) -> Vec<Pair> {
    let mut mood = 0.0;
    let pair = |_| {
        mood = 0.8 * mood + random.random_range(-0.2..0.2);
        [(1.0, 0.0), (planted.factor, planted.errors)].map(|(factor, errors)| {
            let latency = LogNormal::new(mood, 0.4).unwrap();
            let mut route = Cell {
                latency: histogram(),
                errors: 0,
            };
            for _ in 0..planted.requests {
                let micros = 5000.0 * factor * latency.sample(random);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "some thousands"
                )]
                route.latency.record(micros as u64).unwrap();
                route.errors += u64::from(random.random_bool(errors));
            }
            let noise = random.random_range(0.98..1.02);
            Slice {
                routes: BTreeMap::from([("GET /products".to_owned(), route)]),
                seconds: 2.0,
                cpu_per_request: Some(0.004 * factor * noise),
            }
        })
    };
    (0..planted.pairs).map(pair).collect()
}

/// The figures of one comparison, by name.
fn compared(seed: u64, planted: Planted) -> BTreeMap<String, Figure> {
    let pairs = pairs(&mut SmallRng::seed_from_u64(seed), planted);
    let figures = figures(&pairs, TOLERANCE).into_iter();
    figures.map(|it| (it.name.clone(), it)).collect()
}

fn differs(it: &Figure) -> bool {
    it.said.starts_with("B ")
}

#[test]
fn a_shop_that_is_compared_with_itself_differs_from_itself_in_at_most_1_comparison_of_20() {
    let alarms = (0..200).filter(|seed| compared(*seed, NOTHING).values().any(differs));
    let alarms = alarms.count();
    // 5 % of 200 and three standard deviations of that.
    assert!(alarms <= 19, "{alarms} of 200");
}

#[test]
fn ten_percent_are_found_and_what_was_spoilt_for_both_is_not() {
    let slower = Planted {
        factor: 1.1,
        ..NOTHING
    };
    let found = |seed: &u64| {
        let figures = compared(*seed, slower);
        ["p50 of GET /products", "CPU of a request"]
            .iter()
            .all(|it| figures[*it].outcome == Outcome::Fail)
    };
    let found = (0..50).filter(found).count();
    assert!(found >= 40, "{found} of 50");
    let it = &compared(1, slower)["CPU of a request"];
    assert!(it.said.starts_with("B needs more by "), "{}", it.said);
    let ratio = it.difference.unwrap();
    assert!((1.08..1.12).contains(&ratio.value), "{ratio:?}");
    assert!(it.visible.unwrap() < 0.05, "{it:?}");
}

#[test]
fn what_is_better_passes_and_is_told() {
    let faster = Planted {
        factor: 0.8,
        ..NOTHING
    };
    let it = &compared(1, faster)["p50 of GET /products"];
    assert_eq!(it.outcome, Outcome::Pass);
    assert!(it.said.starts_with("B is faster by "), "{}", it.said);
    assert!(it.difference.unwrap().high < 1.0);
}

#[test]
fn no_difference_is_said_to_be_no_larger_than_it_can_be() {
    let it = &compared(1, NOTHING)["CPU of a request"];
    assert_eq!(it.outcome, Outcome::Pass);
    assert!(
        it.said.starts_with("no difference larger than "),
        "{}",
        it.said
    );
}

#[test]
fn what_could_not_have_been_seen_is_shown_and_does_not_count() {
    let few = Planted {
        requests: 60,
        ..NOTHING
    };
    let mut blind = 0;
    for seed in 0..20 {
        let figures: Vec<_> = compared(seed, few).into_values().collect();
        for it in figures
            .iter()
            .filter(|it| it.said.starts_with("cannot tell"))
        {
            let could_see = it.visible.unwrap() <= TOLERANCE;
            assert_eq!((it.outcome, it.counts), (Outcome::Inconclusive, could_see));
        }
        let checks = checks(&figures, TOLERANCE, None);
        let check = checks
            .iter()
            .find(|it| it.name == "how fast B is can be judged");
        if let Some(it) = check {
            blind += 1;
            assert_eq!(it.outcome, Outcome::Inconclusive);
            assert!(it.expected.contains("pairs of slices"), "{}", it.expected);
        }
    }
    // Where the estimate is well on the good side by chance, something can be said all the same.
    assert!(blind >= 10, "{blind} of 20");
}

#[test]
fn failures_are_counted_together_and_their_absence_proves_little_more_than_nothing() {
    let none = &compared(1, NOTHING)["failed requests"];
    assert_eq!(none.outcome, Outcome::Pass);
    let most = none.difference.unwrap().high;
    // 3,600 requests without a failure.
    assert!((0.05..0.5).contains(&most), "{most} points");
    let failing = Planted {
        errors: 0.02,
        ..NOTHING
    };
    let figures = compared(1, failing);
    let it = &figures["failed requests"];
    assert_eq!(it.outcome, Outcome::Fail);
    assert!(it.said.starts_with("B fails more often by "), "{}", it.said);
    let it = &figures["goodput"];
    assert!(it.said.starts_with("B answers less by "), "{}", it.said);
    assert!(it.difference.unwrap().value < 1.0);
}

#[test]
fn too_few_pairs_or_requests_are_no_figure() {
    let none = |planted| compared(1, planted).into_keys().collect::<Vec<_>>();
    let pairs = MIN_PAIRS - 1;
    assert_eq!(none(Planted { pairs, ..NOTHING }), ["failed requests"]);
    let requests = 20;
    let few = none(Planted {
        requests,
        ..NOTHING
    });
    assert!(few.contains(&"p50 of GET /products".to_owned()));
    assert!(!few.contains(&"p95 of GET /products".to_owned()));
}

#[test]
fn a_late_generator_makes_a_slower_shop_unproved() {
    let slower = Planted {
        factor: 1.5,
        ..NOTHING
    };
    let figures: Vec<_> = compared(1, slower).into_values().collect();
    let outcome = |delayed, name: &str| {
        let checks = checks(&figures, TOLERANCE, delayed);
        checks.iter().find(|it| it.name == name).unwrap().outcome
    };
    let late = Some("load generator late");
    assert_eq!(outcome(late, "p50 of GET /products"), Outcome::Invalid);
    assert_eq!(outcome(None, "p50 of GET /products"), Outcome::Fail);
    assert_eq!(outcome(late, "CPU of a request"), Outcome::Fail);
}
