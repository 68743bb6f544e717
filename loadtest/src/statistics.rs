//! How sure a figure is.
//!
//! Requests of one run are not independent: a queue makes neighbours slow together. So every interval is the wider of
//! two: the one for independent samples, and a bootstrap over blocks of one second.

mod confidence;
mod estimate;
pub mod paired;
mod sequential;

use confidence::BEYOND;
pub use confidence::Confidence;
pub use estimate::Estimate;
use hdrhistogram::Histogram;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
pub use sequential::{Sequential, Trials};

/// A bootstrap of fewer blocks says little; then the independent interval stands alone.
const MIN_BLOCKS: usize = 8;
/// A percentile is told only when so many samples are expected beyond it.
const MIN_BEYOND: f64 = 10.0;

/// The share of `bad` among `total`, each pair a second of the run. `None` without samples.
///
/// Wilson's score interval (J. Am. Stat. Assoc. 22, 1927), widened by a block bootstrap.
pub fn share(seconds: &[(u64, u64)], confidence: Confidence) -> Option<Estimate> {
    let (bad, total) = sum(seconds.iter().copied());
    if total == 0 {
        return None;
    }
    let value = ratio(bad, total);
    let n = to_f64(total);
    let z = confidence.z;
    let centre = (value + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (value * (1.0 - value) / n + z * z / (4.0 * n * n)).sqrt();
    let resample = |blocks: &mut dyn Iterator<Item = usize>| {
        let (bad, total) = sum(blocks.map(|it| seconds[it]));
        ratio(bad, total)
    };
    let (low, high) = bootstrap(seconds.len(), confidence, resample).unwrap_or((value, value));
    Some(Estimate {
        value,
        low: (centre - half).min(low).max(0.0),
        high: (centre + half).max(high).min(1.0),
    })
}

/// The share of bad among the second less that among the first, each a list of blocks as in [`share`]. `None` where either has none.
///
/// Newcombe's tenth method, which puts the intervals of both shares together (Stat. Med. 17, 1998, 873).
pub fn difference_of_shares(
    first: &[(u64, u64)],
    second: &[(u64, u64)],
    confidence: Confidence,
) -> Option<Estimate> {
    let (first, second) = (share(first, confidence)?, share(second, confidence)?);
    let value = second.value - first.value;
    let below = (second.value - second.low).hypot(first.high - first.value);
    let above = (second.high - second.value).hypot(first.value - first.low);
    Some(Estimate {
        value,
        low: value - below,
        high: value + above,
    })
}

/// The `p`-quantiles of all values of `seconds`, in their unit. `None` when fewer than ten samples lie beyond one.
///
/// The interval is of order statistics, whose ranks follow the binomial distribution (here by its normal approximation),
/// widened by a block bootstrap.
pub fn percentiles<const N: usize>(
    seconds: &[&Histogram<u64>],
    ps: [f64; N],
    confidence: Confidence,
) -> [Option<Estimate>; N] {
    let samples = Samples::of(seconds);
    let mut counts = vec![0; samples.values.len()];
    let total = samples.merge(&mut counts, 0..seconds.len());
    ps.map(|p| {
        let n = to_f64(total);
        if n * (1.0 - p) < MIN_BEYOND {
            return None;
        }
        let half = confidence.z * (p * (1.0 - p) / n).sqrt();
        let at = |p: f64| samples.quantile(&counts, total, p);
        let (value, low, high) = (at(p), at(p - half), at(p + half));
        let resample = |blocks: &mut dyn Iterator<Item = usize>| {
            let mut counts = vec![0; samples.values.len()];
            let total = samples.merge(&mut counts, blocks);
            samples.quantile(&counts, total, p)
        };
        let (least, most) = bootstrap(seconds.len(), confidence, resample).unwrap_or((low, high));
        Some(Estimate {
            value,
            low: low.min(least),
            high: high.max(most),
        })
    })
}

/// The distinct values of several histograms, and for each histogram how often it has which.
struct Samples {
    values: Vec<u64>,
    blocks: Vec<Vec<(usize, u64)>>,
}

impl Samples {
    fn of(seconds: &[&Histogram<u64>]) -> Self {
        let recorded = |it: &Histogram<u64>| {
            it.iter_recorded()
                .map(|it| (it.value_iterated_to(), it.count_at_value()))
                .collect::<Vec<_>>()
        };
        let blocks: Vec<_> = seconds.iter().map(|it| recorded(it)).collect();
        let mut values: Vec<_> = blocks.iter().flatten().map(|it| it.0).collect();
        values.sort_unstable();
        values.dedup();
        let index = |value| values.partition_point(|&it| it < value);
        let blocks = blocks
            .iter()
            .map(|it| it.iter().map(|&(value, n)| (index(value), n)).collect())
            .collect();
        Self { values, blocks }
    }

    /// Adds `blocks` to `counts` and returns the sum of what it added.
    fn merge(&self, counts: &mut [u64], blocks: impl Iterator<Item = usize>) -> u64 {
        let mut total = 0;
        for &(index, n) in blocks.flat_map(|it| &self.blocks[it]) {
            counts[index] += n;
            total += n;
        }
        total
    }

    fn quantile(&self, counts: &[u64], total: u64, p: f64) -> f64 {
        let rank = (p.clamp(0.0, 1.0) * to_f64(total)).ceil().max(1.0);
        let mut below = 0;
        for (&value, n) in self.values.iter().zip(counts) {
            below += n;
            if to_f64(below) >= rank {
                return to_f64(value);
            }
        }
        self.values.last().copied().map_or(0.0, to_f64)
    }
}

/// The two percentiles of a statistic over resampled blocks that leave the confidence between them. Deterministic: the same blocks, the same answer.
fn bootstrap(
    blocks: usize,
    confidence: Confidence,
    mut statistic: impl FnMut(&mut dyn Iterator<Item = usize>) -> f64,
) -> Option<(f64, f64)> {
    if blocks < MIN_BLOCKS {
        return None;
    }
    let mut random = SmallRng::seed_from_u64(0);
    let mut values: Vec<f64> = (0..confidence.resamples)
        .map(|_| statistic(&mut (0..blocks).map(|_| random.random_range(0..blocks))))
        .collect();
    values.sort_by(f64::total_cmp);
    Some((values[BEYOND], values[values.len() - 1 - BEYOND]))
}

fn sum(pairs: impl Iterator<Item = (u64, u64)>) -> (u64, u64) {
    pairs.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    to_f64(part) / to_f64(whole)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and microseconds are far below 2^53"
)]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const P95: Confidence = Confidence::P95;

    fn histogram() -> Histogram<u64> {
        Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap()
    }

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 5e-5, "{value}, not {expected}");
    }

    #[test]
    fn wilsons_interval_is_that_of_the_textbook() {
        // Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (bad, total, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let it = share(&[(bad, total)], P95).unwrap();
            close(it.low, low);
            close(it.high, high);
        }
        assert_eq!(share(&[], P95), None);
    }

    #[test]
    fn a_difference_of_shares_has_the_interval_of_the_textbook() {
        // Newcombe, Statistics in Medicine 17 (1998), table II, method 10: 56 of 70 less 48 of 80; 10 of 10 less 0 of 10.
        let it = difference_of_shares(&[(48, 80)], &[(56, 70)], P95).unwrap();
        close(it.value, 0.2);
        close(it.low, 0.0524);
        close(it.high, 0.3339);
        let it = difference_of_shares(&[(0, 10)], &[(10, 10)], P95).unwrap();
        close(it.low, 0.6075);
        close(it.high, 1.0);
        assert_eq!(difference_of_shares(&[], &[(1, 2)], P95), None);
    }

    #[test]
    fn quantiles_and_resamples_belong_to_their_confidence() {
        let each = [1, 10, 50].map(Confidence::of_each);
        assert!((each[0].z - P95.z).abs() < 1e-6 && each[0].resamples == P95.resamples);
        for it in [
            Confidence::P95,
            Confidence::P96,
            Confidence::P99_5,
            each[1],
            each[2],
        ] {
            // The normal density from -z to z, by Simpson's rule.
            let (n, step) = (1000_u32, 2.0 * it.z / 1000.0);
            let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
            let weight = |i: u32| match i {
                i if i == 0 || i == n => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            let term = |i: u32| weight(i) * density(f64::from(i) * step - it.z);
            let inside = (0..=n).map(term).sum::<f64>() * step / 3.0;
            assert!((1.0 - inside - it.alpha()).abs() < 1e-8, "{it:?}: {inside}");
            let beyond = to_f64(it.resamples as u64) * it.alpha() / 2.0;
            assert!((beyond - to_f64(BEYOND as u64)).abs() < 1e-9, "{it:?}");
        }
    }

    #[test]
    fn errors_that_come_together_widen_the_interval() {
        let spread = vec![(1, 100); 40];
        let mut together = vec![(0, 100); 40];
        together[7] = (40, 100);
        let (spread, together) = (share(&spread, P95).unwrap(), share(&together, P95).unwrap());
        close(spread.value, together.value);
        assert!(together.high > 1.5 * spread.high, "{together:?} {spread:?}");
    }

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        let mut second = histogram();
        for value in 1..=999 {
            second.record(value).unwrap();
        }
        assert_eq!(percentiles(&[&second], [0.99], P95), [None]);
        second.record(1000).unwrap();
        let it = percentiles(&[&second], [0.99], P95)[0].unwrap();
        // Of 1,000 samples the 95 % interval of p99 is about rank 984 to 996 (normal approximation).
        assert!((it.value - 990.0).abs() < 2.0, "{it:?}");
        assert!((982.0..=986.0).contains(&it.low), "{it:?}");
        assert!((994.0..=998.0).contains(&it.high), "{it:?}");
    }

    #[test]
    fn one_slow_second_widens_the_interval_of_a_percentile() {
        let mut calm = histogram();
        calm.record_n(1000, 200).unwrap();
        let mut slow = histogram();
        slow.record_n(500_000, 200).unwrap();
        let seconds: Vec<_> = (0..30)
            .map(|it| if it == 3 { &slow } else { &calm })
            .collect();
        let it = percentiles(&seconds, [0.95], P95)[0].unwrap();
        assert!(it.low < 2000.0 && it.high > 400_000.0, "{it:?}");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [1, 999, 1000, 1_234_567].map(grouped),
            ["1", "999", "1,000", "1,234,567"]
        );
    }
}
