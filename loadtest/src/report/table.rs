//! The verdict for the terminal.

use std::io::{self, Write};

use super::document::{ArmReport, Document, RouteFigures};
use crate::{
    judge::kills::Kill,
    statistics::Estimate,
    verdict::{Check, Expectation, Group, Outcome},
};

/// Prints the whole verdict; with `colour`, outcomes are coloured.
pub(crate) fn print(out: &mut impl Write, document: &Document, colour: bool) -> io::Result<()> {
    for experiment in &document.experiments {
        let outcome = paint(experiment.outcome, 12, colour);
        writeln!(out, "\n{outcome} {}", experiment.name)?;
        writeln!(out, "{:12} {}", "", experiment.question)?;
        for it in &experiment.arms {
            arm(out, it, colour)?;
        }
    }
    let outcome = paint(document.outcome, 0, colour);
    writeln!(
        out,
        "\n{outcome} in {:.1} s on {}, seed {}, {} build on {} cores",
        document.duration_s,
        document.backends,
        document.seed,
        document.machine.profile,
        document.machine.cores
    )?;
    writeln!(out, "Report: {}/report.html", document.run_dir)?;
    out.flush()
}

fn arm(out: &mut impl Write, it: &ArmReport, colour: bool) -> io::Result<()> {
    let hurts = it.expectation == Expectation::MustHurt;
    let note = if hurts { " (must hurt)" } else { "" };
    let outcome = paint(it.outcome, 12, colour);
    writeln!(out, "\n{outcome}   {}{note}: {}", it.name, it.description)?;
    for check in &it.checks {
        let wanted = hurts && check.group == Group::Objective && check.outcome == Outcome::Fail;
        line(out, check, wanted, colour)?;
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
    if !it.kills.is_empty() {
        writeln!(
            out,
            "\n{:17}{:14}{:>9}{:>16}{:>13}{:>14}{:>7}{:>6}{:>9}  not ready meanwhile",
            "",
            "killed",
            "at",
            "answered after",
            "ready after",
            "acknowledged",
            "final",
            "lost",
            "doubled"
        )?;
    }
    for it in &it.kills {
        kill(out, it)?;
    }
    Ok(())
}

fn line(out: &mut impl Write, check: &Check, wanted: bool, colour: bool) -> io::Result<()> {
    let outcome = if check.counts {
        paint(check.outcome, 12, colour)
    } else {
        format!("{:12}", "(shown)")
    };
    let aim = if wanted { "  <- as it must" } else { "" };
    writeln!(
        out,
        "{outcome}     {:15}{:40} {}{aim}",
        check.group, check.name, check.observed
    )?;
    if check.outcome != Outcome::Pass && check.counts && !wanted {
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

fn kill(out: &mut impl Write, it: &Kill) -> io::Result<()> {
    let seconds = |it: Option<f64>| it.map_or("-".to_owned(), |it| format!("{it:.2} s"));
    writeln!(
        out,
        "{:17}{:14}{:>7.1} s{:>16}{:>13}{:>14}{:>7}{:>6}{:>9}  {}",
        "",
        it.victim,
        it.at_s,
        seconds(it.answered_after_s),
        seconds(it.ready_after_s),
        it.acknowledged,
        it.ended,
        it.lost,
        it.doubled,
        it.unready.join(", ")
    )
}

fn interval(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(it) => format!("{:.1} ({:.1}-{:.1}) ms", it.value, it.low, it.high),
        None => "n/a (too few)".into(),
    }
}

/// The outcome, padded before it is coloured, because escape sequences would be counted.
fn paint(outcome: Outcome, width: usize, colour: bool) -> String {
    let text = format!("{:<width$}", outcome.to_string());
    let code = match outcome {
        Outcome::Pass => 32,
        Outcome::Inconclusive | Outcome::Invalid => 33,
        Outcome::Fail => 31,
    };
    if colour {
        format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
    } else {
        text
    }
}
