//! Whether a canary does worse than its baseline: does it fail more often, or is it slow more often where it does not fail?

use super::{count::Counts, decision::Decision};
use crate::statistics::{Sequential, Trials};

/// How often a canary that does no worse is rolled back, at most, however long it is watched.
const FALSE_ROLLBACKS: f64 = 0.01;
/// A canary that has been tried so often, and its baseline half as often, is promoted if it was not rolled back. One that fails five times
/// more in a hundred attempts than a baseline that hardly does is found by then in nine of ten trials; the tests of
/// [`crate::statistics::Sequential`] have the figures.
const ENOUGH: u64 = 400;

/// What was seen of both, and what it is worth.
#[derive(Debug, Clone, Default)]
pub(super) struct Comparison {
    pub(super) canary: Counts,
    pub(super) baseline: Counts,
    errors: Sequential,
    slowness: Sequential,
}

impl Comparison {
    /// Takes in what both have counted since they were started.
    pub(super) fn look(&mut self, canary: Counts, baseline: Counts) {
        let news = [canary.since(self.canary), baseline.since(self.baseline)];
        (self.canary, self.baseline) = (canary, baseline);
        let [failed, failed_there] = news.map(|it| Trials {
            all: it.attempts,
            bad: it.failed,
        });
        self.errors.look(failed, failed_there);
        let [slow, slow_there] = news.map(|it| Trials {
            all: it.attempts - it.failed,
            bad: it.slow,
        });
        self.slowness.look(slow, slow_there);
    }

    /// The evidence that it fails more often, and that it is slow more often.
    pub(super) fn evidence(&self) -> [f64; 2] {
        [self.errors.evidence(), self.slowness.evidence()]
    }

    /// What to do, once that is clear. There is nothing to promote in a canary that is not `new`.
    pub(super) fn decide(&self, new: bool) -> Option<Decision> {
        let [errors, slowness] = self.evidence();
        // The mean of both is evidence too, so looking at both does not make it wrong more often.
        if errors.midpoint(slowness) >= 1.0 / FALSE_ROLLBACKS {
            let worse = if errors > slowness {
                "errors"
            } else {
                "slowness"
            };
            return Some(Decision::RolledBack(worse));
        }
        let enough = self.canary.attempts >= ENOUGH && self.baseline.attempts >= ENOUGH / 2;
        enough.then_some(if new {
            Decision::Promoted
        } else {
            Decision::NothingNew
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(attempts: u64, failed: u64, slow: u64) -> Counts {
        Counts {
            attempts,
            failed,
            slow,
        }
    }

    /// Looks at so many attempts at a time.
    fn decided(canary: Counts, baseline: Counts, looks: u64, new: bool) -> Option<Decision> {
        let mut it = Comparison::default();
        let after =
            |it: Counts, looks| counts(it.attempts * looks, it.failed * looks, it.slow * looks);
        (1..=looks).find_map(|looks| {
            it.look(after(canary, looks), after(baseline, looks));
            it.decide(new)
        })
    }

    #[test]
    fn a_canary_is_rolled_back_for_errors_or_slowness_and_else_promoted_if_it_is_new() {
        let good = counts(10, 0, 0);
        let errors = Some(Decision::RolledBack("errors"));
        assert_eq!(decided(counts(10, 3, 0), good, 10, true), errors);
        let slowness = Some(Decision::RolledBack("slowness"));
        assert_eq!(decided(counts(10, 0, 4), good, 10, true), slowness);
        assert_eq!(decided(good, good, 39, true), None, "too few to tell");
        assert_eq!(decided(good, good, 40, true), Some(Decision::Promoted));
        assert_eq!(decided(good, good, 40, false), Some(Decision::NothingNew));
        let both = counts(10, 3, 1);
        assert_eq!(
            decided(both, both, 40, true),
            Some(Decision::Promoted),
            "no worse"
        );
        assert_eq!(
            decided(good, counts(1, 0, 0), 100, true),
            None,
            "nothing to compare with"
        );
    }
}
