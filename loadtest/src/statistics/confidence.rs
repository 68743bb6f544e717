//! How seldom an interval may miss what it is about.

use std::f64::consts::TAU;

/// Resamples of a bootstrap that lie beyond either end of its interval.
pub(super) const BEYOND: usize = 10;
/// The probability that any of several intervals misses what it is about.
const OF_ALL: f64 = 0.05;

/// How seldom an interval misses what it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    /// The probability of a miss.
    alpha: f64,
    /// The quantile of the standard normal distribution that half of it lies beyond.
    pub(super) z: f64,
    /// Resamples of a bootstrap: so many that [`BEYOND`] of them lie beyond either end.
    pub(super) resamples: usize,
}

impl Confidence {
    /// 95 %.
    pub const P95: Self = Self {
        alpha: 0.05,
        z: 1.959_963_985,
        resamples: 400,
    };
    /// 96 %.
    pub const P96: Self = Self {
        alpha: 0.04,
        z: 2.053_748_911,
        resamples: 500,
    };
    /// 99.5 %.
    pub const P99_5: Self = Self {
        alpha: 0.005,
        z: 2.807_033_768,
        resamples: 4000,
    };

    /// That of each of `count` intervals, of which any misses in no more than 5 % of cases, however they depend on each other
    /// (Bonferroni).
    pub fn of_each(count: usize) -> Self {
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let alpha = OF_ALL / f64::from(count);
        Self {
            alpha,
            z: beyond_which(alpha),
            // Ten of 400 lie beyond either end of an interval of 95 %.
            resamples: Self::P95.resamples * count as usize,
        }
    }

    /// The probability of a miss.
    pub fn alpha(self) -> f64 {
        self.alpha
    }
}

/// The distance from the middle of the standard normal distribution beyond which `alpha` of it lies, on both sides together.
fn beyond_which(alpha: f64) -> f64 {
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if 1.0 - within(middle) > alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// How much of the standard normal distribution lies within `z` of its middle: its density by Simpson's rule.
fn within(z: f64) -> f64 {
    const HALVES: u32 = 500;
    let step = z / f64::from(2 * HALVES);
    let density = |at: u32| {
        let x = f64::from(at) * step;
        (-x * x / 2.0).exp() / TAU.sqrt()
    };
    let parabola = |it: u32| density(2 * it) + 4.0 * density(2 * it + 1) + density(2 * it + 2);
    2.0 * step / 3.0 * (0..HALVES).map(parabola).sum::<f64>()
}
