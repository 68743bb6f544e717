//! How often a cache finds what it is asked for, by arithmetic.
//!
//! A key that is asked for at random, `λ` times in a second, and kept for `T` after each load is a renewal process: the load, then `λT`
//! hits on average while the value is fresh, then the first look-up after that, which ends the cycle. So `λT / (1 + λT)` of its look-ups
//! are hits (Jung, Berger and Balakrishnan, INFOCOM 2003). Where a value may be served for `S` longer while it is loaded anew, the look-up
//! that ends a cycle is served stale if it comes within `S`, and is a miss only if it does not: with probability `exp(-λS)`. A cache
//! finds what its keys find, weighted by how often each is asked for. Nothing is evicted here: there are fewer keys than places.

use std::time::Duration;

/// Lives are shorter than `T` by up to this share of it, at random and evenly.
pub(super) const JITTER: f64 = 0.1;

/// Shares of all look-ups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares {
    pub(super) hits: f64,
    pub(super) stale: f64,
    pub(super) misses: f64,
}

/// How often each of `count` products is asked for, from the most popular one on: the n-th 1/n as often as the first (Zipf).
pub(super) fn popularity(count: u32) -> Vec<f64> {
    let parts = (1..=count).map(|it| 1.0 / f64::from(it));
    let whole: f64 = parts.clone().sum();
    parts.map(|it| it / whole).collect()
}

/// What becomes of `rate` look-ups a second of keys that are asked for by these `weights`.
pub(super) fn shares(weights: &[f64], rate: f64, ttl: Duration, stale: Duration) -> Shares {
    let (ttl, stale) = (ttl.as_secs_f64(), stale.as_secs_f64());
    let mut shares = Shares {
        hits: 0.0,
        stale: 0.0,
        misses: 0.0,
    };
    for weight in weights {
        let asked = rate * weight;
        let hits = asked * ttl * (1.0 - JITTER / 2.0);
        // What a life is shorter, it is longer stale: the mean of exp(-λ(S + x)) for x from 0 to the longest such time.
        let spread = asked * ttl * JITTER;
        let mean = if spread > 0.0 {
            -(-spread).exp_m1() / spread
        } else {
            1.0
        };
        let missed = (-asked * stale).exp() * mean;
        let cycle = 1.0 + hits;
        shares.hits += weight * hits / cycle;
        shares.stale += weight * (1.0 - missed) / cycle;
        shares.misses += weight * missed / cycle;
    }
    shares
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
    use rand_distr::{Distribution as _, Exp, Zipf};

    use super::*;

    const TTL: Duration = Duration::from_secs(2);
    const STALE: Duration = Duration::from_secs(1);

    #[test]
    fn one_key_finds_what_the_formula_says() {
        let of = |stale| shares(&[1.0], 3.0, TTL, stale);
        // 3 a second for 1.9 s on average.
        let hits = 5.7 / 6.7;
        assert!((of(STALE).hits - hits).abs() < 1e-12);
        for it in [of(STALE), of(Duration::ZERO), of(Duration::from_hours(1))] {
            assert!((it.hits + it.stale + it.misses - 1.0).abs() < 1e-12);
        }
        assert!(of(Duration::from_hours(1)).misses < 1e-12);
        assert!(shares(&[1.0], 0.0, TTL, STALE).hits.abs() < 1e-12);
    }

    #[test]
    fn the_weights_are_those_by_which_visitors_choose() {
        let weights = popularity(50);
        let zipf = Zipf::new(50.0, 1.0).unwrap();
        let mut random = SmallRng::seed_from_u64(1);
        let mut first = 0;
        for _ in 0..20_000 {
            first += i32::from(zipf.sample(&mut random) < 1.5);
        }
        assert!((f64::from(first) / 20_000.0 - weights[0]).abs() < 0.01);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((weights[0] / weights[49] - 50.0).abs() < 1e-9);
    }

    /// A cache of one line: when each key was loaded, and how long that lasts.
    #[test]
    fn simulated_look_ups_find_what_theory_says() {
        const RATE: f64 = 200.0;
        const COUNT: f64 = 100.0;
        let mut random = SmallRng::seed_from_u64(2);
        let (gap, zipf) = (Exp::new(RATE).unwrap(), Zipf::new(COUNT, 1.0).unwrap());
        let mut kept = vec![(0.0, 0.0); 101];
        let (mut now, mut counts) = (0.0, [0_u32; 3]);
        while now < 400.0 {
            now += gap.sample(&mut random);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "Zipf draws whole numbers from 1 to 100"
            )]
            let key = zipf.sample(&mut random) as usize;
            let (fresh, served) = kept[key];
            let outcome = usize::from(now >= fresh) + usize::from(now >= served);
            if outcome > 0 {
                let life = TTL.as_secs_f64() * (1.0 - JITTER * random.random::<f64>());
                kept[key] = (now + life, now + (TTL + STALE).as_secs_f64());
            }
            counts[outcome] += 1;
        }
        let all: u32 = counts.iter().sum();
        let of = |it: u32| f64::from(it) / f64::from(all);
        let theory = shares(&popularity(100), RATE, TTL, STALE);
        // 80,000 look-ups: a third of a point is more than two standard deviations.
        for (seen, expected) in counts
            .into_iter()
            .zip([theory.hits, theory.stale, theory.misses])
        {
            assert!(
                (of(seen) - expected).abs() < 0.0033,
                "{counts:?} {theory:?}"
            );
        }
    }
}
