//! `run`: experiments, one after the other, and their verdict.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Instant,
};

use tokio_util::sync::CancellationToken;

use crate::{
    args::{RunArgs, RunsDir},
    experiments::Experiment,
    progress::Progress,
    report::{self, document::Document},
    run_dir::RunDir,
    verdict::Outcome,
};

/// Runs `experiments`, writes the report and prints the verdict.
///
/// # Errors
/// [`crate::interrupted::Interrupted`], or a machine that would not do it.
pub(crate) async fn run(
    experiments: &[Experiment],
    args: &RunArgs,
    runs: &RunsDir,
    stop: CancellationToken,
) -> anyhow::Result<Outcome> {
    let what: Vec<_> = experiments.iter().map(|it| it.name()).collect();
    let run_dir = RunDir::create(&runs.path, &what.join("-"))?;
    let seed = args.seed.unwrap_or_else(|| draw_seed(&run_dir));
    let progress = Progress::new();
    let began = Instant::now();
    let mut reports = Vec::new();
    for experiment in experiments {
        let report = experiment.run(&run_dir, args, seed, &progress, &stop).await;
        match report {
            Ok(report) => reports.push(report),
            Err(error) => {
                progress.done();
                return Err(error);
            }
        }
    }
    progress.done();
    let document = Document::new(&run_dir, seed, &args.backends, began.elapsed(), reports);
    report::write(&run_dir, &document)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &document.without_details())?;
        writeln!(out)?;
    } else {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        report::table::print(&mut out, &document, colour)?;
    }
    Ok(document.outcome)
}

/// Few digits, because people copy it.
fn draw_seed(run_dir: &RunDir) -> u64 {
    u64::from(run_dir.started().nanosecond() / 1000)
}
