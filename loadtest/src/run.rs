//! `run`: experiments, one after the other, and their verdict.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Instant,
};

use crate::{
    args::{RunArgs, RunsDir},
    experiment::Experiment,
    interrupted::Interrupt,
    lab::{self, Conditions},
    progress::Progress,
    report::{
        self,
        document::{Document, ExperimentReport},
        terminal::{self, Style},
    },
    run_dir::RunDir,
    verdict::Outcome,
};

/// Runs `experiments`, prints the verdict of each, and writes the report.
///
/// # Errors
/// [`crate::interrupted::Interrupted`], or a machine that cannot do it.
pub(crate) async fn run(
    experiments: &[Experiment],
    args: &RunArgs,
    runs: &RunsDir,
    stop: Interrupt,
) -> anyhow::Result<Outcome> {
    let what: Vec<_> = experiments.iter().map(|it| it.name).collect();
    let run_dir = RunDir::create(&runs.path, &what.join("-"))?;
    let progress = Progress::new();
    let lab = Conditions {
        run_dir: &run_dir,
        args,
        seed: args.seed.unwrap_or_else(|| draw_seed(&run_dir)),
        progress: &progress,
        stop: &stop,
    };
    let style = Style {
        verbose: args.verbose,
        colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let began = Instant::now();
    let reports = all(&lab, experiments, style).await;
    progress.done();
    let document = Document::new(
        &run_dir,
        lab.seed,
        &args.backends,
        began.elapsed(),
        reports?,
    );
    report::write(&run_dir, &document)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &document.without_details())?;
        writeln!(out)?;
    } else {
        terminal::closing(&mut out, &document, style)?;
    }
    Ok(document.outcome)
}

async fn all(
    lab: &Conditions<'_>,
    experiments: &[Experiment],
    style: Style,
) -> anyhow::Result<Vec<ExperimentReport>> {
    let mut reports = Vec::new();
    for experiment in experiments {
        let report = lab::run(lab, experiment).await?;
        if !lab.args.json {
            let print = || terminal::experiment(&mut io::stdout().lock(), &report, style);
            lab.progress.suspend(print)?;
        }
        reports.push(report);
    }
    Ok(reports)
}

/// Few digits, because people copy it.
fn draw_seed(run_dir: &RunDir) -> u64 {
    u64::from(run_dir.started().nanosecond() / 1000)
}
