//! When which shop is loaded: two plans of which never more than one has arrivals, and the same ones in both slices of a pair.

use std::time::Duration;

use crate::{
    engine::plan::{Arrivals, Phase},
    side_by_side::order,
};

/// Both shops at once, once: caches fill, pages of memory are touched.
const WARM_UP: Duration = Duration::from_secs(3);
/// Then nobody comes for a while, and in the end too, so that whoever watches is never late.
const QUIET: Duration = Duration::from_secs(1);
/// A slice begins with arrivals that are not counted: connections are made again, and the queue has its length.
const LEAD_IN: Duration = Duration::from_millis(500);
/// After a slice nobody comes, until all who did have left.
pub(super) const GAP: Duration = Duration::from_millis(500);

/// Phases of a plan before the first pair, and of each pair. Arrivals follow from the seed and from the index of their phase, so
/// those of a pair have the same indices in both plans.
const BEFORE: usize = 2;
const OF_PAIR: usize = 4;

/// How long what takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slots {
    pub(super) pairs: usize,
    /// What counts of a slice.
    pub(super) slice: Duration,
    /// Arrivals a second.
    pub(super) rate: f64,
}

impl Slots {
    /// The phases of one of the two plans.
    pub(super) fn phases(&self, side: usize) -> Vec<Phase> {
        let phase = |name: &str, length: Duration, rate: f64| Phase {
            name: name.to_owned(),
            seconds: length.as_secs_f64(),
            arrivals: Arrivals::Poisson { rate },
        };
        let mut phases = vec![
            phase("warm-up", WARM_UP, self.rate),
            phase("quiet", QUIET, 0.0),
        ];
        for pair in 0..self.pairs {
            let (wait, rest) = if is_first(pair, side) {
                (Duration::ZERO, self.slot())
            } else {
                (self.slot(), Duration::ZERO)
            };
            phases.extend([
                phase("wait", wait, 0.0),
                phase("lead-in", LEAD_IN, self.rate),
                phase("slice", self.slice, self.rate),
                phase("rest", GAP + rest, 0.0),
            ]);
        }
        phases.push(phase("quiet", QUIET, 0.0));
        phases
    }

    /// The phases of a pair that have arrivals: its lead-in and its slice.
    pub(super) fn loaded(pair: usize) -> [u16; 2] {
        let index = |it: usize| u16::try_from(BEFORE + OF_PAIR * pair + it).unwrap_or(u16::MAX);
        [index(1), index(2)]
    }

    /// From when to when a shop is loaded in a pair, with what it does before everything is quiet. Since the first arrival was due.
    pub(super) fn times(&self, pair: usize, side: usize) -> [Duration; 2] {
        let pairs = u32::try_from(pair).unwrap_or(u32::MAX);
        let mut from = WARM_UP + QUIET + 2 * pairs * self.slot();
        if !is_first(pair, side) {
            from += self.slot();
        }
        [from, from + self.slot()]
    }

    fn slot(&self) -> Duration {
        LEAD_IN + self.slice + GAP
    }
}

fn is_first(pair: usize, side: usize) -> bool {
    order(pair)[0] == side
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::arrivals::{Arrival, schedule};

    const SLOTS: Slots = Slots {
        pairs: 6,
        slice: Duration::from_secs(2),
        rate: 50.0,
    };

    /// What arrives in a slice: its number, and when it is due after the slot began.
    fn arrivals(side: usize, pair: usize) -> Vec<(u64, Duration)> {
        let phases = SLOTS.phases(side);
        let [from, to] = SLOTS.times(pair, side);
        let inside = |it: &Arrival| Slots::loaded(pair).contains(&it.phase);
        let arrivals: Vec<_> = schedule(&phases, 7).filter(inside).collect();
        assert!(
            arrivals
                .iter()
                .all(|it| from <= it.due && it.due + GAP < to)
        );
        let due = |it: Arrival| (it.number, it.due.abs_diff(from));
        arrivals.into_iter().map(due).collect()
    }

    #[test]
    fn both_slices_of_a_pair_have_the_same_arrivals() {
        for pair in 0..SLOTS.pairs {
            let (a, b) = (arrivals(0, pair), arrivals(1, pair));
            assert!(a.len() > 50 && a.len() == b.len());
            for (a, b) in a.into_iter().zip(b) {
                assert_eq!(a.0, b.0);
                // To within what a sum of seconds is rounded by.
                assert!(a.1.abs_diff(b.1) < Duration::from_micros(1), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_shops_take_turns_and_neither_is_always_first() {
        let mut times: Vec<_> = (0..SLOTS.pairs)
            .flat_map(|pair| [0, 1].map(|side| (SLOTS.times(pair, side), side)))
            .collect();
        times.sort_unstable();
        assert!(times.windows(2).all(|it| it[0].0[1] == it[1].0[0]));
        let order: Vec<_> = times.iter().map(|it| it.1).collect();
        assert_eq!(order, [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0]);
        let length = |side| -> f64 { SLOTS.phases(side).iter().map(|it| it.seconds).sum() };
        let end = times[times.len() - 1].0[1] + QUIET;
        for side in [0, 1] {
            assert!((length(side) - end.as_secs_f64()).abs() < 1e-9);
        }
    }
}
