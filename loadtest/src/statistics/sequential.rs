//! Whether one side fails more often than another, asked again and again while they are tried, without being wrong more often for that.
//!
//! Both sides are tried in blocks, one for each look. A block multiplies the evidence by how much likelier it is where the first side
//! fails by so much more, as was supposed before the block, than where both fail alike. Under the latter that factor is 1 on average or less,
//! however often both fail and however large the blocks are, so the product exceeds 1/α at any time with a probability of no more than α
//! (Ville's inequality; Turner, Ly and Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
//! stopping", J. Stat. Plan. Inference 230, 2024, theorem 1). How much more is not known, so the evidence is the mean over several
//! suppositions. How often the second side fails is taken from the blocks before.
//!
//! Weighed: a mixture SPRT (Johari et al., "Always Valid Inference", Oper. Res. 70, 2022) takes the difference for normal, which
//! it is not where hardly anything fails; a look at a fixed number of trials finds what is very bad no sooner than what is hardly so.

use crate::statistics::to_f64;

/// By how much more the first side may fail, of what succeeds at the second.
const MORE: [f64; 6] = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8];
/// What is supposed of the second side before it is tried: so many trials, ...
const BEFORE: f64 = 5.0;
/// ... of which so many have failed.
const BEFORE_BAD: f64 = 0.05;

/// What came of trying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trials {
    /// How often it was tried.
    pub all: u64,
    /// How often that was bad.
    pub bad: u64,
}

impl std::ops::AddAssign for Trials {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.bad += other.bad;
    }
}

/// What is known so far.
#[derive(Debug, Clone, Default)]
pub struct Sequential {
    /// The logarithm of the evidence for each supposition.
    logs: [f64; MORE.len()],
    /// The second side so far.
    second: Trials,
}

impl Sequential {
    /// Takes in what both sides did since the last look.
    pub fn look(&mut self, first: Trials, second: Trials) {
        let [tried, compared] = [first, second].map(|it| to_f64(it.all));
        if tried + compared == 0.0 {
            return;
        }
        let usual = (to_f64(self.second.bad) + BEFORE_BAD) / (to_f64(self.second.all) + BEFORE);
        for (log, more) in self.logs.iter_mut().zip(MORE) {
            let worse = usual + more * (1.0 - usual);
            let alike = (tried * worse + compared * usual) / (tried + compared);
            *log += likelier(first, worse, alike) + likelier(second, usual, alike);
        }
        self.second += second;
    }

    /// The evidence that the first side fails more often: above 1/α, which it is with a probability of α where that is not so.
    pub fn evidence(&self) -> f64 {
        let of_each = self.logs.iter().map(|it| it.exp());
        of_each.sum::<f64>() / to_f64(MORE.len() as u64)
    }
}

/// By how much, as a logarithm, `trials` are likelier where a share of `then` is bad than where one of `otherwise` is.
fn likelier(trials: Trials, then: f64, otherwise: f64) -> f64 {
    let good = to_f64(trials.all - trials.bad.min(trials.all));
    to_f64(trials.bad) * (then / otherwise).ln() + good * ((1.0 - then) / (1.0 - otherwise)).ln()
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

    use super::*;

    const ALPHA: f64 = 0.01;

    fn tried(random: &mut SmallRng, share: f64, least: u64, most: u64) -> Trials {
        let all = random.random_range(least..=most);
        let bad = (0..all).filter(|_| random.random_bool(share)).count();
        Trials {
            all,
            bad: bad as u64,
        }
    }

    /// Tries both sides until the evidence is there or the first has been tried `most` times. Returns whether it is, and the first side.
    fn course(random: &mut SmallRng, first: f64, second: f64, most: u64) -> (bool, Trials) {
        let (mut test, mut so_far) = (Sequential::default(), Trials::default());
        while so_far.all < most {
            let block = tried(random, first, 0, 14);
            so_far += block;
            test.look(block, tried(random, second, 0, 14));
            if test.evidence() >= 1.0 / ALPHA {
                return (true, so_far);
            }
        }
        (false, so_far)
    }

    /// The share of courses that found the first side worse, and the most of its bad trials in 99 of 100 courses.
    fn courses(seed: u64, count: usize, first: f64, second: f64, most: u64) -> (f64, u64) {
        let mut random = SmallRng::seed_from_u64(seed);
        let ran: Vec<_> = (0..count)
            .map(|_| course(&mut random, first, second, most))
            .collect();
        let found = ran.iter().filter(|it| it.0).count();
        let mut bad: Vec<_> = ran.iter().map(|it| it.1.bad).collect();
        bad.sort_unstable();
        (
            to_f64(found as u64) / to_f64(count as u64),
            bad[count * 99 / 100],
        )
    }

    /// Looked at after every block for a thousand trials, no more than one course in a hundred finds a difference that is not there.
    #[test]
    fn what_is_alike_is_hardly_ever_found_to_differ() {
        for (seed, share) in (1..).zip([0.0, 0.001, 0.01, 0.05, 0.3, 0.9]) {
            let (found, _) = courses(seed, 2000, share, share, 1000);
            assert!(found <= ALPHA, "{found} of those where {share} is bad");
        }
        // A first side that is better is no worse.
        assert!(courses(7, 1000, 0.01, 0.2, 1000).0 <= ALPHA);
    }

    #[test]
    fn what_is_much_worse_is_found_before_much_is_lost() {
        for (seed, more) in (1..).zip([0.1, 0.2, 0.5, 1.0]) {
            let (found, bad) = courses(seed, 500, more, 0.001, 400);
            assert!(found >= 0.99, "{more}: found in {found}");
            assert!(bad <= 40, "{more}: {bad} were bad");
        }
        assert!(courses(9, 500, 0.05, 0.0, 400).0 >= 0.9);
    }

    #[test]
    fn one_side_alone_says_nothing() {
        let mut test = Sequential::default();
        test.look(Trials { all: 50, bad: 50 }, Trials::default());
        assert!((test.evidence() - 1.0).abs() < 1e-9);
    }

    /// On average over everything that may come of a block, where both sides are alike: the theorem, by hand.
    #[test]
    fn a_block_adds_nothing_on_average_where_both_are_alike() {
        for share in [0.001, 0.2, 0.7] {
            let mut mean = 0.0;
            for bad in 0..4_u64 {
                for bad_second in 0..3_u64 {
                    let mut test = Sequential::default();
                    test.look(Trials { all: 10, bad: 0 }, Trials { all: 10, bad: 1 });
                    let before = test.evidence();
                    test.look(
                        Trials { all: 3, bad },
                        Trials {
                            all: 2,
                            bad: bad_second,
                        },
                    );
                    let probability = binomial(3, bad, share) * binomial(2, bad_second, share);
                    mean += probability * test.evidence() / before;
                }
            }
            assert!(mean <= 1.0 + 1e-9, "{share}: {mean}");
        }
    }

    fn binomial(all: u64, bad: u64, share: f64) -> f64 {
        let ways = (0..bad).map(|it| to_f64(all - it) / to_f64(it + 1));
        let power = |base: f64, times: u64| (0..times).map(|_| base).product::<f64>();
        ways.product::<f64>() * power(share, bad) * power(1.0 - share, all - bad)
    }
}
