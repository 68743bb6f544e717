//! A split goes by its weights, and moves no more than it must.

use proptest::{collection::vec, prelude::*};
use resilience::{key, side};

const NAMES: [&str; 4] = ["stable", "baseline", "canary", "other"];
/// Keys of one trial.
const KEYS: u32 = 1000;

/// Some sides with weights from none to a hundred, of which one weighs something.
fn sides() -> impl Strategy<Value = Vec<(&'static str, f64)>> {
    let weight = prop_oneof![1 => Just(0.0), 6 => 0.01..100.0_f64];
    vec(weight, 1..=NAMES.len())
        .prop_filter("one weighs something", |it| it.iter().any(|it| *it > 0.0))
        .prop_map(|it| NAMES.into_iter().zip(it).collect())
}

/// Addresses of clients that stand side by side, as many of one network do.
fn keys(network: u8) -> impl Iterator<Item = u64> {
    (0..KEYS).map(move |it| key(format!("198.{network}.{}.{}", it / 250, it % 250).as_bytes()))
}

proptest! {
    #[test]
    fn shares_follow_weights(sides in sides(), network in any::<u8>()) {
        let mut counts = vec![0.0; sides.len()];
        for key in keys(network) {
            counts[side(&sides, key).expect("one weighs something")] += 1.0;
        }
        let all: f64 = sides.iter().map(|it| it.1).sum();
        for ((name, weight), count) in sides.iter().zip(counts) {
            let share = weight / all;
            // Six standard deviations of a binomial, and one key.
            let margin = 6.0 * (f64::from(KEYS) * share * (1.0 - share)).sqrt() + 1.0;
            let expected = share * f64::from(KEYS);
            prop_assert!((count - expected).abs() <= margin, "{name}: {count}, {expected} expected");
            prop_assert!(*weight > 0.0 || count == 0.0, "{name} weighs nothing");
        }
    }

    #[test]
    fn a_key_is_always_on_the_same_side_wherever_that_stands(
        sides in sides(),
        key in any::<u64>(),
        turn in 0..NAMES.len(),
    ) {
        let mut turned = sides.clone();
        turned.rotate_left(turn % sides.len());
        let chosen = |sides: &[(&'static str, f64)]| side(sides, key).map(|it| sides[it].0);
        prop_assert_eq!(chosen(&sides), chosen(&sides));
        prop_assert_eq!(chosen(&turned), chosen(&sides));
    }

    #[test]
    fn a_change_of_weight_moves_only_what_it_takes_or_gives(
        before in sides(),
        changed in 0..NAMES.len(),
        weight in 0.0..100.0_f64,
        network in any::<u8>(),
    ) {
        let changed = changed % before.len();
        let mut after = before.clone();
        after[changed].1 = weight;
        prop_assume!(after.iter().any(|it| it.1 > 0.0));
        let grows = weight > before[changed].1;
        for key in keys(network) {
            let (from, to) = (side(&before, key), side(&after, key));
            if from != to {
                let moved = if grows { to } else { from };
                prop_assert_eq!(moved, Some(changed), "{:?} to {:?}", from, to);
            }
        }
    }
}

#[test]
fn where_nothing_weighs_anything_there_is_no_side() {
    assert_eq!(side(&[("stable", 0.0), ("canary", -1.0)], 7), None);
    assert_eq!(side::<&str>(&[], 7), None);
}

/// Gateways of different releases split the same way.
#[test]
fn keys_are_what_they_were() {
    assert_eq!(
        [key(b""), key(b"user-7")],
        [0xF52A_15E9_A9B5_E89B, 0x9E12_4C98_A398_664E]
    );
    let sides = [("stable", 9.0), ("canary", 1.0)];
    let canaries = keys(18).enumerate();
    let canaries = canaries.filter(|it| side(&sides, it.1) == Some(1));
    let first: Vec<_> = canaries.map(|it| it.0).take(5).collect();
    assert_eq!(first, [29, 51, 54, 56, 60]);
}
