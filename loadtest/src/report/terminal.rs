//! The verdict for the terminal: a line for each experiment as soon as it is known, and evidence where it is wanted.

use std::io::{self, Write};

use super::document::{ArmReport, Document, ExperimentReport, RouteFigures};
use crate::{
    statistics::Estimate,
    table::{Cell, Table},
    verdict::{Check, Claim, Outcome},
};

/// What is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// The evidence for everything, not only for what did not pass.
    pub(crate) verbose: bool,
    /// Outcomes in colour.
    pub(crate) colour: bool,
}

/// Prints the verdict of one experiment in a line, and evidence for what did not pass.
pub(crate) fn experiment(
    out: &mut impl Write,
    it: &ExperimentReport,
    style: Style,
) -> io::Result<()> {
    let mut parts: Vec<_> = it.arms.iter().map(summary).collect();
    let across = it.checks.iter().filter(|it| it.counts);
    let across = across.filter(|it| it.outcome != Outcome::Pass);
    parts.extend(across.map(|it| it.name.clone()));
    writeln!(
        out,
        "{} {:<10} {:>5.0} s  {}",
        paint(it.outcome, 12, style),
        it.name,
        it.duration_s,
        parts.join("; ")
    )?;
    let told = |outcome: Outcome| style.verbose || outcome != Outcome::Pass;
    if told(it.outcome) {
        writeln!(out, "{:12} {}", "", it.question)?;
    }
    for it in it.arms.iter().filter(|it| told(it.outcome)) {
        arm(out, it, style)?;
    }
    for check in &it.checks {
        line(out, check, Claim::Holds, style)?;
    }
    for it in &it.tables {
        writeln!(out, "\n{:17}{}", "", it.title)?;
        table(out, it)?;
    }
    out.flush()
}

/// Prints the verdict of the whole run, and where the report is.
pub(crate) fn closing(out: &mut impl Write, document: &Document, style: Style) -> io::Result<()> {
    writeln!(
        out,
        "\n{} in {:.1} s on {}, seed {}, {} build on {} cores",
        paint(document.outcome, 0, style),
        document.duration_s,
        document.backends,
        document.seed,
        document.machine.profile,
        document.machine.cores
    )?;
    writeln!(out, "Report: {}/report.html", document.run_dir)?;
    out.flush()
}

/// `nominal: 61 checks hold` or what does not.
fn summary(it: &ArmReport) -> String {
    let counting = || {
        let checks = it.checks.iter();
        checks.filter(|check| check.counts || it.claim.must_fail(check))
    };
    let wrong: Vec<_> = counting()
        .filter(|check| it.claim.judge(check) != Outcome::Pass)
        .map(|check| check.name.as_str())
        .collect();
    let failed = counting().filter(|check| it.claim.must_fail(check)).count();
    let said = match wrong[..] {
        [] if failed > 0 => format!(
            "{} checks hold and {failed} fail as they must",
            counting().count() - failed
        ),
        [] => format!("{} checks hold", counting().count()),
        [one] => one.to_owned(),
        [one, ref more @ ..] => format!("{one} and {} more", more.len()),
    };
    let looks = match it.looks {
        1 => String::new(),
        looks => format!(" after {looks} looks"),
    };
    format!("{}: {said}{looks}", it.name)
}

fn arm(out: &mut impl Write, it: &ArmReport, style: Style) -> io::Result<()> {
    let outcome = paint(it.outcome, 12, style);
    let looks = match it.looks {
        1 => String::new(),
        looks => format!(
            " ({looks} looks, the last at {:.1} %)",
            100.0 * it.confidence
        ),
    };
    writeln!(out, "\n{outcome}   {}: {}{looks}", it.name, it.description)?;
    for check in &it.checks {
        line(out, check, it.claim, style)?;
    }
    if !style.verbose {
        return Ok(());
    }
    if !it.routes.is_empty() {
        writeln!(
            out,
            "\n{:17}{:22}{:>9}{:>8}   {:25} {:25} p99 (95 % interval)",
            "", "route", "requests", "errors", "p50", "p95"
        )?;
    }
    for figures in &it.routes {
        route(out, figures)?;
    }
    for it in &it.tables {
        writeln!(out)?;
        table(out, it)?;
    }
    Ok(())
}

/// Prints a check that is not as its arm claims, or every one where that is wanted.
pub(super) fn line(
    out: &mut impl Write,
    check: &Check,
    claim: Claim,
    style: Style,
) -> io::Result<()> {
    let must_fail = claim.must_fail(check);
    let as_claimed = claim.judge(check) == Outcome::Pass;
    if !style.verbose && (as_claimed || !(check.counts || must_fail)) {
        return Ok(());
    }
    let outcome = if check.counts || must_fail {
        paint(check.outcome, 12, style)
    } else {
        format!("{:12}", "(shown)")
    };
    let aim = match (must_fail, as_claimed) {
        (false, _) => "",
        (true, true) => "  <- as it must",
        (true, false) => "  <- must fail",
    };
    writeln!(
        out,
        "{outcome}     {:15}{:40} {}{aim}",
        check.group, check.name, check.observed
    )?;
    if !as_claimed && check.counts {
        writeln!(out, "{:32}expected: {}", "", check.expected)?;
        for detail in &check.details {
            for text in detail.lines() {
                writeln!(out, "{:32}{text}", "")?;
            }
        }
    }
    Ok(())
}

fn route(out: &mut impl Write, it: &RouteFigures) -> io::Result<()> {
    writeln!(
        out,
        "{:17}{:22}{:>9}{:>8}   {:25} {:25} {}",
        "",
        it.route,
        it.requests,
        it.errors,
        interval(it.p50_ms),
        interval(it.p95_ms),
        interval(it.p99_ms)
    )
}

/// A table as wide as it must be; texts stand on the left, figures on the right.
fn table(out: &mut impl Write, it: &Table) -> io::Result<()> {
    let cells: Vec<Vec<String>> = it
        .rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect();
    let width = |column: usize| {
        let own = it.columns[column].chars().count();
        let cells = cells.iter().map(|row| row[column].chars().count());
        cells.chain([own]).max().unwrap_or(own)
    };
    let widths: Vec<_> = (0..it.columns.len()).map(width).collect();
    let is_text = |column: usize| {
        let mut rows = it.rows.iter();
        rows.all(|row| matches!(row[column], Cell::Text(_)))
    };
    let mut row = |texts: &[&str]| {
        let padded = texts.iter().enumerate().map(|(column, text)| {
            let width = widths[column];
            if is_text(column) {
                format!("{text:<width$}")
            } else {
                format!("{text:>width$}")
            }
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        writeln!(out, "{:17}{}", "", line.trim_end())
    };
    row(it.columns)?;
    for texts in &cells {
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        row(&texts)?;
    }
    Ok(())
}

fn cell(it: &Cell) -> String {
    match it {
        Cell::Count(count) => count.to_string(),
        Cell::Seconds(None) => "-".to_owned(),
        Cell::Seconds(Some(seconds)) => format!("{seconds:.2} s"),
        Cell::Text(text) => text.clone(),
    }
}

fn interval(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(it) => format!("{:.1} ({:.1}-{:.1}) ms", it.value, it.low, it.high),
        None => "n/a (too few)".into(),
    }
}

/// The outcome, padded before it is coloured, because escape sequences would be counted.
pub(super) fn paint(outcome: Outcome, width: usize, style: Style) -> String {
    let text = format!("{:<width$}", outcome.to_string());
    let code = match outcome {
        Outcome::Pass => 32,
        Outcome::Inconclusive | Outcome::Invalid => 33,
        Outcome::Fail => 31,
    };
    if style.colour {
        format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
    } else {
        text
    }
}
