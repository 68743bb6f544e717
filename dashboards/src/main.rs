//! Writes the dashboards, and asks a Prometheus whether all their panels have data.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::SystemTime,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use dashboards::{asked, check::Check, cost, picture, prometheus::Prometheus};

/// Grafana's dashboards of the shop.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write dashboards/grafana/*.json (the default)
    Write,
    /// Ask every query of every panel of a Prometheus that scrapes a shop under load; exit with 1 where one has no data
    Check(CheckArgs),
    /// Count series and bytes of a scrape of each replica; exit with 1 where one is beyond its bound
    Cost(Source),
    /// Draw docs/dashboards/*.svg from what Prometheus has seen last
    Draw(DrawArgs),
}

#[derive(Debug, clap::Args)]
struct Source {
    /// Where Prometheus is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    prometheus: String,
    /// Seconds between two scrapes
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    scrape_interval: f64,
}

#[derive(Debug, clap::Args)]
struct DrawArgs {
    #[command(flatten)]
    source: Source,
    /// How far back
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    seconds: f64,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    source: Source,
    /// Another folder of dashboards
    #[arg(long, value_name = "FOLDER")]
    dashboards: Option<PathBuf>,
    /// Faults are on the shop: panels that wait for one must have data too
    #[arg(long)]
    faults: bool,
    /// Show only panels that fail
    #[arg(long)]
    failures_only: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    match Args::parse().command.unwrap_or(Command::Write) {
        Command::Write => write(),
        Command::Check(args) => check(&args).await,
        Command::Cost(args) => cost(&args).await,
        Command::Draw(args) => draw(&args).await,
    }
}

fn write() -> anyhow::Result<ExitCode> {
    for it in dashboards::all() {
        let (name, text) = dashboards::file(&it);
        let path = dashboards::folder().join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let folder = args.dashboards.clone().unwrap_or_else(dashboards::folder);
    let asked = asked::read(&folder)?;
    let prometheus = Prometheus::at(&args.source.prometheus);
    let check = Check::new(&prometheus, args.source.scrape_interval, args.faults);
    let found = check.run(&asked).await?;
    let mut out = io::stdout().lock();
    for it in &found {
        if !args.failures_only || !it.problems.is_empty() {
            writeln!(out, "{it}")?;
        }
    }
    let failed = found.iter().filter(|it| !it.problems.is_empty()).count();
    let empty = found.iter().filter(|it| it.empty.is_some()).count();
    let queries: usize = found.iter().map(|it| it.queries).sum();
    let panels = found.len();
    writeln!(
        out,
        "{panels} panels, variables and annotations with {queries} queries: {failed} fail, {empty} are empty as they may be"
    )?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn cost(args: &Source) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let mut problems = Vec::new();
    for it in cost::measure(&Prometheus::at(&args.prometheus)).await? {
        writeln!(out, "{it}")?;
        problems.extend(it.problems());
    }
    for it in &problems {
        writeln!(out, "FAIL   {it}")?;
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn draw(args: &DrawArgs) -> anyhow::Result<ExitCode> {
    let Source {
        prometheus,
        scrape_interval,
    } = &args.source;
    let prometheus = Prometheus::at(prometheus);
    let now = SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64();
    for it in dashboards::all() {
        let svg = picture::draw(&it, &prometheus, *scrape_interval, now, args.seconds).await?;
        let path = dashboards::pictures().join(format!("{}.svg", dashboards::stem(&it)));
        fs::write(&path, svg).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
