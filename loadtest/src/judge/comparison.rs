//! Two shops compared by slices of load: for each figure how much they differ, how sure that is, and what could not have been seen.
//!
//! Requests of one slice depend on each other, slices hardly do: so a slice is one value of each figure, and what is compared are
//! pairs of slices. Whoever asks ten questions has ten chances of a false answer: the intervals of all figures together miss in no
//! more than 5 % of comparisons (Bonferroni), so that no more than that see a difference where there is none.

mod figure;
mod slice;

use std::collections::BTreeSet;

pub(crate) use figure::{Figure, Measure};
pub(crate) use slice::{Pair, Slice};

use super::validity;
use crate::{
    statistics::{Confidence, to_f64},
    verdict::{Check, Group, Outcome},
};

/// The percentiles that are compared.
const PERCENTILES: [(&str, f64); 2] = [("p50", 0.5), ("p95", 0.95)];
/// A percentile of a slice needs so many requests beyond it. The spread of the slices tells how unsure they are.
const MIN_BEYOND: f64 = 2.0;
/// The least pairs a figure is judged by: fewer could not be sure enough for two dozen figures.
pub(crate) const MIN_PAIRS: usize = 10;

/// Every figure that has enough pairs. B may be worse than A by `tolerance`, a share.
pub(crate) fn figures(pairs: &[Pair], tolerance: f64) -> Vec<Figure> {
    let failed = |side: usize| -> Vec<_> { pairs.iter().map(|it| it[side].failed()).collect() };
    judged(ratios(pairs), [failed(0), failed(1)], tolerance)
}

/// The figures with these values, and failed requests and all, slice by slice, in A and in B.
pub(crate) fn judged(
    mut ratios: Vec<Values>,
    [a, b]: [Vec<(u64, u64)>; 2],
    tolerance: f64,
) -> Vec<Figure> {
    ratios.retain(|it| it.1.len() >= MIN_PAIRS);
    // Errors are the one more.
    let confidence = Confidence::of_each(ratios.len() + 1);
    let judge =
        |(what, values): (_, Vec<_>)| Figure::of_ratio(what, &values, confidence, tolerance);
    let mut figures: Vec<_> = ratios.into_iter().map(judge).collect();
    figures.push(Figure::of_errors(&a, &b, confidence));
    figures
}

/// What each figure is, with its values in A and B, pair by pair.
pub(crate) type Values = ((String, Measure), Vec<(f64, f64)>);

fn ratios(pairs: &[Pair]) -> Vec<Values> {
    let routes = pairs.iter().flatten().flat_map(|it| it.routes.keys());
    let routes: BTreeSet<_> = routes.collect();
    let mut ratios = Vec::new();
    for route in routes {
        for (name, p) in PERCENTILES {
            let value = |it: &Slice| it.percentile(route, p, MIN_BEYOND);
            let what = (format!("{name} of {route}"), Measure::Latency);
            ratios.push((what, both(pairs, value)));
        }
    }
    let cpu = |it: &Slice| it.cpu_per_request.map(|it| 1000.0 * it);
    let cpu = (
        ("CPU of a request".to_owned(), Measure::Cpu),
        both(pairs, cpu),
    );
    let goodput = |it: &Slice| Some(it.goodput());
    let goodput = (
        ("goodput".to_owned(), Measure::Goodput),
        both(pairs, goodput),
    );
    ratios.extend([cpu, goodput]);
    ratios
}

/// The pairs in which both slices have a value of which there can be a ratio.
fn both(pairs: &[Pair], value: impl Fn(&Slice) -> Option<f64>) -> Vec<(f64, f64)> {
    let values = pairs
        .iter()
        .filter_map(|[a, b]| Some((value(a)?, value(b)?)));
    values.filter(|it| it.0 > 0.0 && it.1 > 0.0).collect()
}

/// Each figure as a check, and whether any latency or throughput could be judged at all. What cannot be said of a latency because the generator was
/// `delayed` is not held against B.
pub(crate) fn checks(figures: &[Figure], tolerance: f64, delayed: Option<&str>) -> Vec<Check> {
    let check = |it: &Figure| {
        let allowed = match it.measure {
            Measure::Errors => "at most 0.5 points more".to_owned(),
            Measure::Goodput | Measure::Throughput => {
                format!("at most {:.1} % less", 100.0 * tolerance)
            }
            Measure::Latency | Measure::Cpu => format!("at most {:.1} % more", 100.0 * tolerance),
        };
        let mut check = Check::new(Group::Comparison, &it.name, it.outcome).saw(&it.said, allowed);
        check.estimate = it.difference;
        check.counts = it.counts;
        match it.measure {
            Measure::Latency => validity::unless_delayed(check, delayed),
            _ => check,
        }
    };
    let mut checks: Vec<_> = figures.iter().map(check).collect();
    checks.extend(blind(figures, tolerance));
    checks
}

/// That it cannot be judged at all how fast B is, if that is so, and what would help.
fn blind(figures: &[Figure], tolerance: f64) -> Option<Check> {
    let speed = [Measure::Latency, Measure::Throughput];
    let speeds = || figures.iter().filter(|it| speed.contains(&it.measure));
    if speeds().any(|it| it.counts) {
        return None;
    }
    let name = "how fast B is can be judged";
    let check = Check::new(Group::Comparison, name, Outcome::Inconclusive);
    let sharpest = speeds()
        .filter_map(|it| Some((it.visible?, it.a.len())))
        .min_by(|one, other| one.0.total_cmp(&other.0));
    let Some((visible, pairs)) = sharpest else {
        return Some(check.saw("too few requests in a slice", "some figure has enough"));
    };
    let factor = visible.ln_1p() / tolerance.ln_1p().max(f64::MIN_POSITIVE);
    let pairs = to_f64(pairs as u64) * factor * factor;
    Some(check.saw(
        format!(
            "the smallest difference that could be seen is {:.1} %",
            100.0 * visible
        ),
        format!(
            "{:.1} %, which would take about {pairs:.0} pairs of slices",
            100.0 * tolerance
        ),
    ))
}

#[cfg(test)]
mod tests;
