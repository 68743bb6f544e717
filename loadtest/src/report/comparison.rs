//! Two shops that took turns, for the terminal.

use std::io::{self, Write};

use super::{
    document::ExperimentReport,
    terminal::{Style, line, paint},
};
use crate::{
    judge::comparison::{Figure, Measure},
    verdict::{Claim, Group, Outcome},
};

/// Prints a line for each figure, and whatever was wrong with the measurement.
pub(crate) fn print(
    out: &mut impl Write,
    report: &ExperimentReport,
    style: Style,
) -> io::Result<()> {
    let Some(it) = &report.comparison else {
        return Ok(());
    };
    writeln!(out, "A  {}\nB  {}", it.a, it.b)?;
    let load = match it.rate {
        Some(rate) => format!("{rate} arrivals a second, the same in both slices of a pair"),
        None => "as many requests as are answered".to_owned(),
    };
    writeln!(
        out,
        "{} pairs of slices of {} s by turns, {load}\n",
        it.pairs, it.slice_s
    )?;
    writeln!(
        out,
        "{:13}{:24}{:>11}{:>11}{:>13}   said with 95 % of all figures together",
        "", "median of slices", "A", "B", "could see"
    )?;
    for figure in &it.figures {
        let check = report.checks.iter().find(|it| it.name == figure.name);
        let outcome = check.map_or(figure.outcome, |it| it.outcome);
        row(out, figure, outcome, style)?;
    }
    let figures: Vec<_> = it.figures.iter().map(|it| &it.name).collect();
    let others = report.checks.iter();
    let others = others.filter(|it| it.group != Group::Comparison || !figures.contains(&&it.name));
    for check in others {
        line(out, check, Claim::Holds, style)?;
    }
    out.flush()
}

fn row(out: &mut impl Write, it: &Figure, outcome: Outcome, style: Style) -> io::Result<()> {
    let outcome = if it.counts {
        paint(outcome, 13, style)
    } else {
        format!("{:13}", "(shown)")
    };
    let visible = it
        .visible
        .map_or("-".to_owned(), |visible| match it.measure {
            Measure::Errors => format!("{visible:.2} points"),
            _ => format!("{:.1} %", 100.0 * visible),
        });
    writeln!(
        out,
        "{outcome}{:24}{:>11}{:>11}{visible:>13}   {}",
        it.name,
        value(it.measure, &it.a),
        value(it.measure, &it.b),
        it.said
    )
}

/// The median of the slices, with its unit.
fn value(measure: Measure, slices: &[f64]) -> String {
    let mut sorted = slices.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(middle) = sorted.len().checked_sub(1) else {
        return "-".to_owned();
    };
    let median = f64::midpoint(sorted[middle / 2], sorted[middle.div_ceil(2)]);
    match measure {
        Measure::Latency | Measure::Cpu => format!("{median:.2} ms"),
        Measure::Goodput | Measure::Throughput => format!("{median:.1}/s"),
        Measure::Errors => format!("{median:.2} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_slices_has_its_unit() {
        assert_eq!(value(Measure::Latency, &[3.0, 1.0, 2.0]), "2.00 ms");
        assert_eq!(value(Measure::Goodput, &[3.0, 1.0, 2.0, 4.0]), "2.5/s");
        assert_eq!(value(Measure::Errors, &[]), "-");
    }
}
