//! The experiments: each a question, arms that answer it, and one arm that must hurt, so that the checks can be believed.

mod baseline;
mod crash;
mod outage;

use std::{fmt, io::Write, time::Instant};

use tokio_util::sync::CancellationToken;

use crate::{
    args::RunArgs,
    deployment::Backends,
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
    /// Servers that are killed.
    Outage,
}

/// Every experiment, in the order they run.
pub const ALL: [Experiment; 3] = [Experiment::Baseline, Experiment::Crash, Experiment::Outage];

impl Experiment {
    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Crash => "crash",
            Self::Outage => "outage",
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
            Self::Outage => {
                "May any server that the shop runs on be away for a while without that? (with --backends)"
            }
        }
    }

    /// What its shop finds in its environment beside the usual. Where servers are away an order waits: were it cancelled after
    /// 30 s, a server that starts slowly would decide how many are confirmed.
    pub(crate) fn environment(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Outage => vec![("ORDER_TIMEOUT", "2m")],
            Self::Baseline | Self::Crash => Vec::new(),
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
        let lab = Lab::open(
            run_dir,
            self.name(),
            self.environment(),
            args,
            seed,
            progress,
            stop,
        )
        .await?;
        let arms: anyhow::Result<Vec<ArmReport>> = match self {
            Self::Baseline => baseline::run(&lab).await,
            Self::Crash => crash::run(&lab).await,
            Self::Outage => outage::run(&lab).await,
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

/// Experiments that cannot be chosen.
#[derive(Debug)]
pub enum BadChoice {
    /// No experiment has this name.
    Unknown(String),
    /// Without servers there is none to kill.
    NoServers,
}

impl fmt::Display for BadChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let names = ALL.map(Experiment::name).join(", ");
                write!(
                    f,
                    "there is no experiment called {name:?}; there are: {names}"
                )
            }
            Self::NoServers => {
                f.write_str("outage kills servers, and files are none: choose some with --backends")
            }
        }
    }
}

/// The experiments called `names`, each once; if there are no names, all that can be carried out on `backends`.
pub fn choose(names: &[String], backends: &Backends) -> Result<Vec<Experiment>, BadChoice> {
    let fits = |it: &Experiment| *it != Experiment::Outage || !backends.servers().is_empty();
    if names.is_empty() {
        return Ok(ALL.into_iter().filter(fits).collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        let found = ALL.into_iter().find(|it| it.name() == name);
        let found = found.ok_or_else(|| BadChoice::Unknown(name.clone()))?;
        if !fits(&found) {
            return Err(BadChoice::NoServers);
        }
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
