//! `compare`: two builds or settings of the shop under the same arrivals, by turns.
//!
//! Both shops run from beginning to end, and only one of them is loaded at a time, so that neither takes processor time from the
//! other. Slices are short and take turns (A B B A …), so that whatever the machine does in the long run hits both alike, and both
//! slices of a pair have the same arrivals, visitors and products. What is said of them is in `judge/comparison.rs`.

mod carried;
mod course;
mod machine;
mod slots;

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Instant,
};

use carried::Laps;
use course::Course;
use machine::NAMES;
use slots::Slots;

use crate::{
    args::{CompareArgs, RunsDir},
    builds,
    closed::UNLIMITED,
    interrupted::Interrupt,
    judge::comparison::{self, Figure},
    progress::Progress,
    report::{
        self,
        document::{Comparison, Document, ExperimentReport},
        terminal::Style,
    },
    run_dir::RunDir,
    setting::{Kind, Setting},
    side_by_side::{Shop, Side, with_both},
    verdict::{Check, Outcome},
};

/// Shoppers who are logged in before the load begins.
const SHOPPERS: u32 = 20;

/// Compares, prints what came of it, and writes the report.
///
/// # Errors
/// [`crate::interrupted::Interrupted`], a revision that cannot be built, or a machine that cannot do it.
pub(crate) async fn compare(
    args: &CompareArgs,
    runs: &RunsDir,
    stop: Interrupt,
) -> anyhow::Result<Outcome> {
    let run_dir = RunDir::create(&runs.path, "compare")?;
    let progress = Progress::new();
    let seed = args.seed.unwrap_or_else(|| run_dir.draw_seed());
    let began = Instant::now();
    let report = report_of(args, &run_dir, seed, &progress, &stop).await;
    progress.done();
    let reports = vec![report?];
    let ran_on = args.backends.to_string();
    let document = Document::new(&run_dir, seed, ran_on, began.elapsed(), reports);
    report::write(&run_dir, &document)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &document)?;
        writeln!(out)?;
    } else {
        let style = Style {
            verbose: false,
            colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        report::comparison::print(&mut out, &document.experiments[0], style)?;
        report::terminal::closing(&mut out, &document, style)?;
    }
    Ok(document.outcome)
}

async fn report_of(
    args: &CompareArgs,
    run_dir: &RunDir,
    seed: u64,
    progress: &Progress,
    stop: &Interrupt,
) -> anyhow::Result<ExperimentReport> {
    let sides = [
        side(0, &args.a, args, progress, stop).await?,
        side(1, &args.b, args, progress, stop).await?,
    ];
    let began = Instant::now();
    let compared = async |shops: &[Shop; 2]| {
        if args.closed {
            carried(args, progress, shops).await
        } else {
            arrivals(args, run_dir, seed, progress, stop, shops).await
        }
    };
    let (figures, checks) = with_both(run_dir.path(), sides, progress, stop, compared).await?;
    let counting = checks.iter().filter(|it| it.counts);
    let outcome = Outcome::worst(counting.map(|it| it.outcome));
    let [a, b] = [named(&args.a), named(&args.b)];
    Ok(ExperimentReport {
        name: "compare",
        question: format!("Is B ({b}) worse than A ({a})?"),
        outcome,
        duration_s: began.elapsed().as_secs_f64(),
        arms: Vec::new(),
        checks,
        tables: Vec::new(),
        comparison: Some(Comparison {
            a,
            b,
            pairs: args.pairs,
            slice_s: args.slice.as_secs_f64(),
            rate: (!args.closed).then_some(args.rate),
            tolerance: args.tolerance,
            figures,
        }),
    })
}

/// What came of arrivals, and whether it can be trusted and tolerated.
type Compared = anyhow::Result<(Vec<Figure>, Vec<Check>)>;

async fn arrivals(
    args: &CompareArgs,
    run_dir: &RunDir,
    seed: u64,
    progress: &Progress,
    stop: &Interrupt,
    shops: &[Shop; 2],
) -> Compared {
    let slots = Slots {
        pairs: args.pairs,
        slice: args.slice,
        rate: args.rate,
    };
    let course = Course {
        slots,
        seed,
        dir: run_dir.path(),
        progress,
        stop,
    };
    let seen = course.run(shops).await?;
    let figures = comparison::figures(&seen.pairs, args.tolerance);
    let judged = comparison::checks(&figures, args.tolerance, seen.delayed);
    Ok((figures, [seen.checks, judged].concat()))
}

/// The same of a closed loop.
async fn carried(args: &CompareArgs, progress: &Progress, shops: &[Shop; 2]) -> Compared {
    let laps = Laps {
        pairs: args.pairs,
        slice: args.slice,
        tolerance: args.tolerance,
        progress,
    };
    let (figures, checks) = laps.run(shops).await?;
    let judged = comparison::checks(&figures, args.tolerance, None);
    Ok((figures, [checks, judged].concat()))
}

/// What was asked for, as it was.
fn named(settings: &[Setting]) -> String {
    let texts: Vec<_> = settings.iter().map(Setting::to_string).collect();
    texts.join(" and ")
}

async fn side(
    side: usize,
    settings: &[Setting],
    args: &CompareArgs,
    progress: &Progress,
    stop: &Interrupt,
) -> anyhow::Result<Side> {
    let mut it = Side {
        name: NAMES[side],
        backends: args.backends.clone(),
        shoppers: SHOPPERS,
        ..Side::default()
    };
    if args.closed {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        it.environment.extend(UNLIMITED.map(owned));
    }
    for setting in settings {
        match &setting.kind {
            Kind::Here => it.program = None,
            Kind::Git(revision) => {
                it.program = Some(builds::program(revision, progress, stop).await?);
            }
            Kind::Environment(variables) => it.environment.extend(variables.iter().cloned()),
            Kind::Fault(service, fault) => it.faults.push((*service, fault.clone())),
        }
    }
    Ok(it)
}
