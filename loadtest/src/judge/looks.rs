//! When a steady phase has been measured for long enough.
//!
//! A phase is looked at when its time is over. Where an objective is neither proved nor refuted by then, it goes on for as
//! long again, and after that once more, and all that was seen so far is judged together. Looking several times, each time
//! by an interval that misses in 5 % of cases, would raise a false alarm more often than that. So the 5 % are spent: 4 at the
//! first look, half of one at each of the others (Lan and `DeMets`, Biometrika 70, 1983). The chance that any of the three
//! intervals misses is at most the sum (Bonferroni), however the looks depend on each other, so what one look has decided
//! stays decided unless a later one decides otherwise.
//!
//! Whether requests are too few to decide by, even if they are flawless, is asked of the look at hand: such a check is shown
//! and prolongs nothing, and it counts at a later look that has enough of them.

use crate::{
    statistics::Confidence,
    verdict::{Check, Claim, Outcome},
};

/// The confidence of each look; what they miss sums up to 5 %.
pub(crate) const LOOKS: [Confidence; 3] = [Confidence::P96, Confidence::P99_5, Confidence::P99_5];

/// Where nothing can be prolonged there is one look.
pub(crate) const ONE_LOOK: [Confidence; 1] = [Confidence::P95];

/// The checks of this look, with what `earlier` looks had decided where this one does not.
pub(crate) fn carry(earlier: &[Check], now: Vec<Check>) -> Vec<Check> {
    let decided = |it: &&Check| matches!(it.outcome, Outcome::Pass | Outcome::Fail);
    let settle = |check: Check| {
        let mut before = earlier.iter().filter(|it| it.name == check.name);
        let counted = earlier.iter().any(|it| it.name == check.name && it.counts);
        match before.find(decided) {
            Some(before) if check.outcome == Outcome::Inconclusive => before.clone(),
            // What counted once goes on counting, though a stricter interval asks for more requests.
            _ => Check {
                counts: check.counts || counted,
                ..check
            },
        }
    };
    now.into_iter().map(settle).collect()
}

/// Whether measuring on may change the verdict: something is undecided, and nothing has spoilt it already.
pub(crate) fn go_on(claim: Claim, objectives: &[Check]) -> bool {
    let counting = || {
        let counts = |it: &&Check| it.counts || claim.must_fail(it);
        objectives.iter().filter(counts)
    };
    let undecided = |it: &Check| it.outcome == Outcome::Inconclusive;
    let settled = |it: &Check| undecided(it) || claim.judge(it) == Outcome::Pass;
    counting().any(undecided) && counting().all(settled)
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

    use super::*;
    use crate::{
        statistics::share,
        verdict::{Group, at_most},
    };

    fn check(name: &str, outcome: Outcome) -> Check {
        Check::new(Group::Objective, name, outcome)
    }

    fn shown(name: &str) -> Check {
        Check {
            counts: false,
            ..check(name, Outcome::Inconclusive)
        }
    }

    #[test]
    fn only_what_is_undecided_and_not_spoilt_goes_on() {
        use Outcome::{Fail, Inconclusive, Invalid, Pass};
        let goes_on = |outcomes: &[Outcome]| {
            let names = ["a", "b", "c"];
            let checks = names.into_iter().zip(outcomes);
            let checks: Vec<_> = checks.map(|(name, it)| check(name, *it)).collect();
            go_on(Claim::Holds, &checks)
        };
        assert!(!goes_on(&[]));
        assert!(!goes_on(&[Pass, Pass]));
        assert!(goes_on(&[Pass, Inconclusive]));
        assert!(!goes_on(&[Fail, Inconclusive]), "it fails in any case");
        assert!(!goes_on(&[Invalid, Inconclusive]), "it is spoilt");
        let few = [check("a", Pass), shown("b")];
        assert!(!go_on(Claim::Holds, &few), "too few prolong nothing");
    }

    #[test]
    fn what_must_fail_goes_on_only_while_it_is_neither_proved_nor_refuted() {
        use Outcome::{Fail, Inconclusive, Pass};
        let claim = Claim::MustFail(&["a"]);
        let goes_on = |a, b| go_on(claim, &[check("a", a), check("b", b)]);
        assert!(goes_on(Inconclusive, Pass));
        assert!(!goes_on(Fail, Pass), "proved");
        assert!(!goes_on(Pass, Pass), "refuted");
        assert!(goes_on(Fail, Inconclusive), "another may go on");
        assert!(!goes_on(Pass, Inconclusive), "it cannot pass any more");
        assert!(!goes_on(Inconclusive, Fail), "it fails in any case");
        assert!(go_on(claim, &[shown("a")]), "few may still show a miss");
    }

    #[test]
    fn what_was_decided_stays_so_until_it_is_decided_otherwise() {
        use Outcome::{Fail, Inconclusive, Pass};
        let after = |earlier, now| carry(&[check("a", earlier)], vec![check("a", now)])[0].outcome;
        assert_eq!(after(Pass, Inconclusive), Pass);
        assert_eq!(after(Fail, Inconclusive), Fail);
        assert_eq!(after(Pass, Fail), Fail);
        assert_eq!(after(Inconclusive, Pass), Pass);
        assert_eq!(after(Inconclusive, Inconclusive), Inconclusive);
        let fresh = carry(&[], vec![check("a", Inconclusive)]);
        assert_eq!(fresh[0].outcome, Inconclusive);
        let counted = carry(&[check("a", Inconclusive)], vec![shown("a")]);
        assert!(counted[0].counts, "it counted before");
        assert!(!carry(&[shown("a")], vec![shown("a")])[0].counts);
    }

    #[test]
    fn the_looks_spend_five_percent() {
        let spent: f64 = LOOKS.iter().map(|it| it.alpha()).sum();
        assert!((spent - ONE_LOOK[0].alpha()).abs() < 1e-12);
    }

    /// Looks at a shop in which every request is bad with a probability, `seconds` of `rate` requests to a look. Says how it
    /// came out and how many looks that took.
    fn look(random: &mut SmallRng, bad: f64, limit: f64, seconds: usize) -> (Outcome, usize) {
        const RATE: u64 = 500;
        let mut seen = Vec::new();
        let mut checks = Vec::new();
        for (index, confidence) in LOOKS.into_iter().enumerate() {
            for _ in 0..seconds {
                let bad = (0..RATE).filter(|_| random.random_bool(bad)).count();
                seen.push((bad as u64, RATE));
            }
            let estimate = share(&seen, confidence).unwrap();
            checks = carry(&checks, vec![check("a", at_most(estimate, limit))]);
            if !go_on(Claim::Holds, &checks) {
                return (checks[0].outcome, index + 1);
            }
        }
        (checks[0].outcome, LOOKS.len())
    }

    /// How many of a hundred shops come out so.
    fn percent(outcome: Outcome, bad: f64, limit: f64, seconds: usize, shops: u32) -> f64 {
        let mut random = SmallRng::seed_from_u64(1);
        let mut count = || look(&mut random, bad, limit, seconds).0 == outcome;
        let hits = (0..shops).filter(|_| count()).count();
        100.0 * crate::statistics::to_f64(hits as u64) / f64::from(shops)
    }

    #[test]
    fn a_shop_at_its_limit_is_judged_wrongly_in_less_than_five_percent() {
        // At the limit itself either answer would be wrong, and there it is the most likely. Fewer than eight seconds are
        // judged by the interval of independent samples alone, which is what is wrong most often.
        for (limit, seconds) in [(0.01, 2), (0.05, 2), (0.2, 2)] {
            let wrong = |outcome| percent(outcome, limit, limit, seconds, 2000);
            let (failed, passed) = (wrong(Outcome::Fail), wrong(Outcome::Pass));
            // What is left to five is for chance: a standard error is 0.4 % here.
            assert!(failed < 4.5, "{failed} % of {limit} fail");
            assert!(passed < 4.5, "{passed} % of {limit} pass");
        }
        let failed = percent(Outcome::Fail, 0.05, 0.05, 10, 100);
        assert!(failed < 5.0, "{failed} % fail by blocks");
    }

    #[test]
    fn a_healthy_shop_needs_one_look_and_a_broken_one_fails() {
        let mut random = SmallRng::seed_from_u64(2);
        assert_eq!(look(&mut random, 0.0, 0.01, 30), (Outcome::Pass, 1));
        assert_eq!(look(&mut random, 0.1, 0.01, 30), (Outcome::Fail, 1));
        let later = (0..20).map(|_| look(&mut random, 0.0075, 0.01, 10));
        let later: Vec<_> = later.filter(|it| it.1 > 1).collect();
        assert!(later.iter().any(|it| it.0 == Outcome::Pass), "{later:?}");
    }
}
