//! By how much one thing differs from another, where both were measured side by side, several times over.
//!
//! Of each pair only the difference is looked at, so whatever moved both alike is gone. What the two do by turns may be skewed or
//! have outliers, but if there is no difference between them, theirs is as likely to be one thing as its opposite: nothing else is
//! taken for granted, as it would be by a t-test. The difference is estimated by Hodges and Lehmann (Ann. Math. Stat. 34, 1963,
//! 598): the median of the means of any two of the differences. Its interval holds the values that Wilcoxon's signed-rank test
//! would not reject (Tukey 1949; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed., 2014, section 3.3), by
//! the exact distribution of its statistic.

use super::{confidence::Confidence, estimate::Estimate};

/// The normal quantile that 80 % lie below: how often a difference is found that is just large enough to count on.
const POWER_80: f64 = 0.841_621_234;

/// By how much the second of two things differs from the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The difference and its interval.
    pub estimate: Estimate,
    /// The smallest true difference that eight of ten such comparisons would tell from none, by how much the pairs differ from
    /// each other.
    pub visible: f64,
}

/// The shift of `differences`, one of each pair. `None` for so few pairs that no interval is that sure.
pub fn shift(differences: &[f64], confidence: Confidence) -> Option<Shift> {
    let outside = outside(differences.len(), confidence.alpha() / 2.0)?;
    let mut means = Vec::with_capacity(differences.len() * (differences.len() + 1) / 2);
    for (index, one) in differences.iter().enumerate() {
        means.extend(
            differences[index..]
                .iter()
                .map(|it| f64::midpoint(*one, *it)),
        );
    }
    means.sort_by(f64::total_cmp);
    let (low, high) = (means[outside], means[means.len() - 1 - outside]);
    let middle = (means.len() - 1) / 2;
    let value = f64::midpoint(means[middle], means[means.len() - 1 - middle]);
    Some(Shift {
        estimate: Estimate { value, low, high },
        visible: visible(high - low, confidence),
    })
}

/// The smallest true difference that is seen in eight of ten cases by an interval so wide: it has to be as far from nothing as half
/// the interval, and by so much farther that the estimate seldom falls short by the rest.
pub(crate) fn visible(width: f64, confidence: Confidence) -> f64 {
    width / 2.0 * (1.0 + POWER_80 / confidence.z)
}

/// The rank sum is no larger than this with a probability of at most `tail`, where there is no difference: so many means lie beyond
/// either end of the interval. `None` if even 0 is likelier.
///
/// Each rank is in the sum or not, one as likely as the other, so the distribution for one rank more is the mean of two.
fn outside(pairs: usize, tail: f64) -> Option<usize> {
    let mut probabilities = vec![1.0];
    for rank in 1..=pairs {
        let mut next = vec![0.0; probabilities.len() + rank];
        for (sum, probability) in probabilities.iter().enumerate() {
            next[sum] += probability / 2.0;
            next[sum + rank] += probability / 2.0;
        }
        probabilities = next;
    }
    let mut so_far = 0.0;
    let fits = |probability: &&f64| {
        so_far += **probability;
        so_far <= tail
    };
    probabilities.iter().take_while(fits).count().checked_sub(1)
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
    use rand_distr::{Distribution as _, Exp1, StandardNormal};

    use super::*;

    #[test]
    fn critical_values_are_those_of_the_table() {
        // Hollander, Wolfe and Chicken, table A.4: P(T <= 8) = 0.0244 for 10 pairs, P(T <= 13) = 0.0212 for 12.
        assert_eq!(outside(10, 0.025), Some(8));
        assert_eq!(outside(12, 0.025), Some(13));
        assert_eq!(outside(5, 0.025), None);
        assert_eq!(outside(6, 0.025), Some(0));
        assert_eq!(outside(0, 0.025), None);
    }

    #[test]
    fn the_depression_scores_of_the_textbook_give_its_interval() {
        // Hollander, Wolfe and Chicken, table 3.1 and example 3.4: nine patients before and after a tranquilizer.
        let before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        #[expect(clippy::approx_constant, reason = "one patient scored so")]
        let after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
        let differences: Vec<f64> = before.iter().zip(after).map(|(x, y)| y - x).collect();
        let it = shift(&differences, Confidence::P95).unwrap().estimate;
        let close = |value: f64, expected: f64| (value - expected).abs() < 1e-9;
        assert!(close(it.value, -0.46), "{it:?}");
        assert!(close(it.low, -0.786) && close(it.high, -0.010), "{it:?}");
    }

    /// Differences of `pairs` pairs: what both have in common, and noise of each of its own that is anything but normal.
    fn skewed(random: &mut SmallRng, pairs: usize, shift: f64) -> Vec<f64> {
        let pair = |number: usize| {
            let drift = f64::from(u32::try_from(number).unwrap());
            let mut noisy = || {
                let noise: f64 = Exp1.sample(random);
                // A slice in twenty is spoilt.
                let spoilt = if random.random_bool(0.05) { 20.0 } else { 0.0 };
                drift + noise + spoilt
            };
            let first = noisy();
            noisy() + shift - first
        };
        (0..pairs).map(pair).collect()
    }

    #[test]
    fn where_there_is_no_difference_any_of_ten_figures_has_one_in_at_most_5_percent() {
        let (figures, comparisons) = (10, 2000);
        let confidence = Confidence::of_each(figures);
        let mut random = SmallRng::seed_from_u64(18);
        let mut alarms = 0;
        for _ in 0..comparisons {
            let alarm = (0..figures).any(|_| {
                let differences = skewed(&mut random, 12, 0.0);
                let it = shift(&differences, confidence).unwrap();
                it.estimate.low > 0.0 || it.estimate.high < 0.0
            });
            alarms += u32::from(alarm);
        }
        // 5 % of 2,000, and three standard deviations to either side: fewer would be another mistake.
        assert!((60..=130).contains(&alarms), "{alarms} of {comparisons}");
    }

    #[test]
    fn a_difference_that_is_called_visible_is_found_in_about_eight_of_ten() {
        let confidence = Confidence::of_each(10);
        let mut random = SmallRng::seed_from_u64(5);
        let mut sample = |pairs: usize, by: f64| -> Vec<f64> {
            let noise = (0..pairs).map(|_| -> f64 { StandardNormal.sample(&mut random) });
            noise.map(|it| it + by).collect()
        };
        for pairs in [12, 40] {
            let mut one = |by: f64| shift(&sample(pairs, by), confidence).unwrap();
            let visible = (0..200).map(|_| one(0.0).visible).sum::<f64>() / 200.0;
            let mut power = |by: f64| {
                let found = (0..400).filter(|_| one(by).estimate.low > 0.0).count();
                f64::from(u32::try_from(found).unwrap()) / 400.0
            };
            let (just, twice) = (power(visible), power(2.0 * visible));
            assert!((0.7..=0.95).contains(&just), "{pairs} pairs: {just}");
            assert!(twice > 0.99, "{pairs} pairs: {twice}");
        }
    }

    #[test]
    fn what_both_have_in_common_hides_nothing() {
        let mut random = SmallRng::seed_from_u64(7);
        let it = shift(&skewed(&mut random, 40, 3.0), Confidence::P95).unwrap();
        // Noise of each is about 1, drift runs to 40.
        assert!((it.estimate.value - 3.0).abs() < 1.0, "{it:?}");
        assert!(it.estimate.low > 0.0 && it.visible < 3.0, "{it:?}");
    }
}
