//! The experiments: each a question, arms that answer it, and one arm that must hurt, so that the checks can be believed.

mod baseline;
mod crash;
mod objectives;
mod validity;

use std::{fmt, io::Write, time::Instant};

use tokio_util::sync::CancellationToken;

use crate::{
    cli::RunArgs,
    lab::Lab,
    progress::Progress,
    report::document::{ArmReport, ExperimentReport},
    run_dir::RunDir,
    verdict::Outcome,
};

/// An experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Experiment {
    /// Nominal load.
    Baseline,
    /// Services that are killed.
    Crash,
}

/// Every experiment, in the order they run.
pub const ALL: [Experiment; 2] = [Experiment::Baseline, Experiment::Crash];

impl Experiment {
    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Crash => "crash",
        }
    }

    /// What it answers.
    pub fn question(self) -> &'static str {
        match self {
            Self::Baseline => {
                "Does the shop keep its objectives at the nominal load, and do all signals agree with the clients?"
            }
            Self::Crash => {
                "May any service be killed at any moment without an acknowledged order being lost or taken twice?"
            }
        }
    }

    /// Carries it out on a shop of its own.
    pub(crate) async fn run(
        self,
        run_dir: &RunDir,
        args: &RunArgs,
        seed: u64,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> anyhow::Result<ExperimentReport> {
        let began = Instant::now();
        let lab = Lab::open(run_dir, self.name(), args, seed, progress, stop).await?;
        let arms: anyhow::Result<Vec<ArmReport>> = match self {
            Self::Baseline => baseline::run(&lab).await,
            Self::Crash => crash::run(&lab).await,
        };
        lab.close().await;
        let arms = arms?;
        Ok(ExperimentReport {
            name: self.name(),
            question: self.question(),
            outcome: Outcome::worst(arms.iter().map(|it| it.outcome)),
            duration_s: began.elapsed().as_secs_f64(),
            arms,
        })
    }
}

/// A name that no experiment has.
#[derive(Debug)]
pub struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ALL.map(Experiment::name).join(", ");
        write!(
            f,
            "there is no experiment called {:?}; there are: {names}",
            self.0
        )
    }
}

/// The experiments called `names`, each once; all of them if there are no names.
pub fn choose(names: &[String]) -> Result<Vec<Experiment>, Unknown> {
    if names.is_empty() {
        return Ok(ALL.to_vec());
    }
    let mut chosen = Vec::new();
    for name in names {
        let found = ALL.into_iter().find(|it| it.name() == name);
        let found = found.ok_or_else(|| Unknown(name.clone()))?;
        if !chosen.contains(&found) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}

/// Writes a line for each experiment.
pub fn list(out: &mut impl Write) -> std::io::Result<()> {
    for it in ALL {
        writeln!(out, "{:<12} {}", it.name(), it.question())?;
    }
    Ok(())
}
