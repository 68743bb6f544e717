//! One figure of two shops, and what is said of their difference.

use serde::Serialize;

use crate::{
    statistics::{
        Confidence, Estimate, difference_of_shares,
        paired::{shift, visible},
        to_f64,
    },
    verdict::Outcome,
};

/// What a figure measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// Milliseconds from the intended start.
    Latency,
    /// Milliseconds of processor time for a request.
    Cpu,
    /// Requests a second that were answered well.
    Goodput,
    /// Requests a second that were carried in a closed loop.
    Throughput,
    /// The share of requests that failed, in percent.
    Errors,
}

impl Measure {
    /// Whether more of it is better.
    fn is_gain(self) -> bool {
        matches!(self, Self::Goodput | Self::Throughput)
    }
}

/// A figure, slice by slice, and the difference between the shops.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) measure: Measure,
    /// Of each slice of A that counts, in order.
    pub(crate) a: Vec<f64>,
    /// Of the slices of B in the same pairs.
    pub(crate) b: Vec<f64>,
    /// B as a multiple of A; of errors, what B has more, in percentage points. None if the pairs are too few.
    pub(crate) difference: Option<Estimate>,
    /// The smallest difference that eight of ten such comparisons would see: a share of A, or percentage points.
    pub(crate) visible: Option<f64>,
    /// What is to be said of it.
    pub(crate) said: String,
    pub(crate) outcome: Outcome,
    /// Whether it counts: what could not have been seen anyway is shown and does not.
    pub(crate) counts: bool,
}

/// How much worse B is, on a scale on which 0 is no difference: logarithms of ratios, or shares.
struct Worse {
    estimate: Estimate,
    visible: f64,
}

/// The largest rise of the share of failed requests that is no regression.
const TOLERATED_ERRORS: f64 = 0.005;

impl Figure {
    /// A figure of which each pair has two values, and of which the ratio is asked for.
    pub(super) fn of_ratio(
        (name, measure): (String, Measure),
        pairs: &[(f64, f64)],
        confidence: Confidence,
        tolerance: f64,
    ) -> Self {
        let sign = if measure.is_gain() { -1.0 } else { 1.0 };
        let logs: Vec<f64> = pairs.iter().map(|it| sign * (it.1 / it.0).ln()).collect();
        let worse = shift(&logs, confidence).map(|it| Worse {
            estimate: it.estimate,
            visible: it.visible,
        });
        let mut figure = Self::judged(measure, worse.as_ref(), tolerance.ln_1p());
        figure.name = name;
        figure.a = pairs.iter().map(|it| it.0).collect();
        figure.b = pairs.iter().map(|it| it.1).collect();
        figure.difference = worse.map(|it| {
            let Estimate { value, low, high } = it.estimate;
            let (low, high) = if sign < 0.0 {
                (-high, -low)
            } else {
                (low, high)
            };
            Estimate {
                value: (sign * value).exp(),
                low: low.exp(),
                high: high.exp(),
            }
        });
        figure.visible = figure.visible.map(f64::exp_m1);
        figure
    }

    /// Failed requests and all, in the slices of A and in those of B. They are counts, most often of nothing, so it is shares that are
    /// compared, each with all its slices together.
    pub(super) fn of_errors(a: &[(u64, u64)], b: &[(u64, u64)], confidence: Confidence) -> Self {
        let worse = difference_of_shares(a, b, confidence).map(|estimate| Worse {
            estimate,
            visible: visible(estimate.high - estimate.low, confidence),
        });
        let percent = |of: &[(u64, u64)]| {
            let share = |it: &(u64, u64)| 100.0 * to_f64(it.0) / to_f64(it.1.max(1));
            of.iter().map(share).collect()
        };
        let mut figure = Self::judged(Measure::Errors, worse.as_ref(), TOLERATED_ERRORS);
        "failed requests".clone_into(&mut figure.name);
        figure.a = percent(a);
        figure.b = percent(b);
        figure.difference = worse.map(|it| Estimate {
            value: 100.0 * it.estimate.value,
            low: 100.0 * it.estimate.low,
            high: 100.0 * it.estimate.high,
        });
        figure.visible = figure.visible.map(|it| 100.0 * it);
        figure
    }

    /// B may be worse by `limit`.
    fn judged(measure: Measure, worse: Option<&Worse>, limit: f64) -> Self {
        let (outcome, said) = match worse {
            None => (
                Outcome::Inconclusive,
                "cannot tell: too few pairs".to_owned(),
            ),
            Some(it) => (judge(it.estimate, limit), say(measure, it.estimate, limit)),
        };
        let visible = worse.map(|it| it.visible);
        Self {
            name: String::new(),
            measure,
            a: Vec::new(),
            b: Vec::new(),
            difference: None,
            visible,
            said,
            outcome,
            counts: outcome != Outcome::Inconclusive || visible.is_some_and(|it| it <= limit),
        }
    }
}

/// It fails if it is proved that B is worse, and by more than the limit as far as can be told; it passes if it is proved that B is not
/// worse by more than that.
fn judge(worse: Estimate, limit: f64) -> Outcome {
    if worse.low > 0.0 && worse.value > limit {
        Outcome::Fail
    } else if worse.high <= limit {
        Outcome::Pass
    } else {
        Outcome::Inconclusive
    }
}

fn say(measure: Measure, worse: Estimate, limit: f64) -> String {
    let (more, less) = match measure {
        Measure::Latency => ("B is slower", "B is faster"),
        Measure::Cpu => ("B needs more", "B needs less"),
        Measure::Goodput => ("B answers less", "B answers more"),
        Measure::Throughput => ("B carries less", "B carries more"),
        Measure::Errors => ("B fails more often", "B fails less often"),
    };
    // Of what A has: a ratio's logarithm has another distance from 0 above it than below.
    let size = |it: f64| match measure {
        Measure::Errors => 100.0 * it.abs(),
        _ if measure.is_gain() => 100.0 * (-it).exp_m1().abs(),
        _ => 100.0 * it.exp_m1().abs(),
    };
    let unit = match measure {
        Measure::Errors => "points",
        _ => "%",
    };
    let amount = |it: f64| match size(it) {
        small if small < 10.0 => format!("{small:.1} {unit}"),
        large => format!("{large:.0} {unit}"),
    };
    let Estimate { value, low, high } = worse;
    if low > 0.0 {
        let (value, low, high) = (amount(value), amount(low), amount(high));
        format!("{more} by {value} ({low} to {high})")
    } else if high < 0.0 {
        let (value, low, high) = (amount(value), amount(high), amount(low));
        format!("{less} by {value} ({low} to {high})")
    } else if high <= limit && low >= -limit {
        let largest = if size(high) > size(low) { high } else { low };
        format!("no difference larger than {}", amount(largest))
    } else if high <= limit {
        format!("no worse by more than {}", amount(high))
    } else {
        let (less, more) = (less.trim_start_matches("B "), more.trim_start_matches("B "));
        let (low, high) = (amount(low), amount(high));
        format!("cannot tell: B {less} by up to {low}, or {more} by up to {high}")
    }
}
