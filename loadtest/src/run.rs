//! `run`: experiments, one after the other, and their verdict.

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use crate::{
    args::{RunArgs, RunsDir},
    builds,
    experiment::Experiment,
    interrupted::{Interrupt, Interrupted},
    lab::{self, Conditions},
    observe::{self, Clients, Stack},
    progress::Progress,
    report::{
        self,
        document::{Document, ExperimentReport},
        terminal::{self, Style},
    },
    run_dir::RunDir,
    target::Target,
    verdict::Outcome,
};

/// Runs `experiments`, on `target` if there is one, prints the verdict of each, and writes the report.
///
/// # Errors
/// [`crate::interrupted::Interrupted`], or a machine that cannot do it.
pub(crate) async fn run(
    experiments: &[Experiment],
    args: &RunArgs,
    target: Option<&Target>,
    runs: &RunsDir,
    stop: Interrupt,
) -> anyhow::Result<Outcome> {
    let what: Vec<_> = experiments.iter().map(|it| it.name).collect();
    let run_dir = RunDir::create(&runs.path, &what.join("-"))?;
    let progress = Progress::new();
    let from = match &args.from {
        Some(revision) => Some(builds::program(revision, &progress, &stop).await?),
        None => None,
    };
    let stack = if args.observe {
        tokio::select! {
            stack = observe(experiments, &run_dir, &progress) => Some(stack?),
            () = stop.cancelled() => return Err(Interrupted.into()),
        }
    } else {
        None
    };
    let clients = clients(stack.as_ref(), args.metrics_listen).await?;
    let lab = Conditions {
        run_dir: &run_dir,
        args,
        seed: args.seed.unwrap_or_else(|| run_dir.draw_seed()),
        progress: &progress,
        stop: &stop,
        stack: stack.as_ref(),
        clients: clients.as_deref(),
        from: from.as_deref(),
        target,
    };
    let style = Style {
        verbose: args.verbose,
        colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    let began = Instant::now();
    let reports = all(&lab, experiments, style).await;
    let seed = lab.seed;
    if let Some(stack) = stack {
        progress.step("stopping Prometheus and Alertmanager");
        stack.stop(&stop).await;
    }
    progress.done();
    let ran_on = match target {
        None => match &args.from {
            None => args.backends.to_string(),
            Some(revision) => format!("{}, from {revision}", args.backends),
        },
        Some(target) => target.gateway.clone(),
    };
    let document = Document::new(&run_dir, seed, ran_on, began.elapsed(), reports?);
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

/// Prometheus and Alertmanager, which find the shop of each arm in its turn.
async fn observe(
    experiments: &[Experiment],
    run_dir: &RunDir,
    progress: &Progress,
) -> anyhow::Result<Stack> {
    progress.step("starting Prometheus and Alertmanager");
    let shops = experiments.iter().flat_map(|experiment| {
        let dir = run_dir.path().join(experiment.name);
        experiment.arms.iter().map(move |arm| dir.join(arm.name))
    });
    let said = progress.clone();
    let options = observe::Options {
        dir: run_dir.path().join("observe"),
        discovery: shops.map(|it| it.join("services.json")).collect(),
        clock: 1.0,
        tell: Box::new(move |text| said.say(text)),
    };
    Stack::start(options).await
}

/// What clients see, where somebody asks: the Prometheus of `stack`, or another one at `listen`.
async fn clients(
    stack: Option<&Stack>,
    listen: Option<SocketAddr>,
) -> anyhow::Result<Option<Arc<Clients>>> {
    let clients = stack.map(|it| Arc::clone(&it.clients));
    let Some(address) = listen else {
        return Ok(clients);
    };
    let clients = clients.unwrap_or_default();
    clients.serve(address).await?;
    Ok(Some(clients))
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
