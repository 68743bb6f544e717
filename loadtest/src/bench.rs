//! `bench`: how much the hot paths carry on servers, as a share of what they carry on files.
//!
//! Both shops run side by side. Each path is loaded in a closed loop, on one shop and then on the other, several times over, and the
//! interval of their ratio shows what the machine's moods leave. How the shop compares under arrivals is what `compare` asks.

use std::{
    io::{self, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;

use crate::{
    args::{BenchArgs, RunsDir},
    closed::{CLIENTS, HotPath, Target, UNLIMITED},
    deployment::Backends,
    interrupted::Interrupt,
    progress::Progress,
    run_dir::RunDir,
    side_by_side::{Shop, Side, order, with_both},
    statistics::{Confidence, Estimate, paired::shift},
};

/// How often each path is loaded on each shop.
const ROUNDS: usize = 7;
/// Before the first round of a path: connections and caches fill.
const WARM_UP: Duration = Duration::from_secs(1);
/// What one path carried in each round, on files and on servers; requests a second.
struct Row {
    path: HotPath,
    rounds: Vec<[f64; 2]>,
}

/// One of the two shops.
fn side(name: &'static str, backends: Backends, cached: bool) -> Side {
    let mut environment = UNLIMITED.to_vec();
    if !cached {
        environment.extend([("CACHE_TTL", "0s"), ("CACHE_STALE", "0s")]);
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Side {
        name,
        backends,
        environment: environment.into_iter().map(owned).collect(),
        shoppers: 1,
        ..Side::default()
    }
}

/// Measures and prints the table.
pub(crate) async fn bench(args: &BenchArgs, runs: &RunsDir, stop: Interrupt) -> anyhow::Result<()> {
    let run_dir = RunDir::create(&runs.path, "bench")?;
    let comparison = Comparison {
        args,
        progress: Progress::new(),
        stop,
    };
    let rows = comparison.all(run_dir.path()).await;
    comparison.progress.done();
    print(&args.backends, &rows?)
}

struct Comparison<'a> {
    args: &'a BenchArgs,
    progress: Progress,
    stop: Interrupt,
}

impl Comparison<'_> {
    async fn all(&self, dir: &Path) -> anyhow::Result<Vec<Row>> {
        use HotPath::{Order, PageHit, PageMiss, Search};
        let cached = [PageHit, Search, Order];
        let mut rows = self.of_two(&dir.join("cached"), true, &cached).await?;
        let uncached = self
            .of_two(&dir.join("uncached"), false, &[PageMiss])
            .await?;
        rows.splice(1..1, uncached);
        Ok(rows)
    }

    /// Starts a shop on files and one on servers, and loads both.
    async fn of_two(
        &self,
        dir: &Path,
        cached: bool,
        paths: &[HotPath],
    ) -> anyhow::Result<Vec<Row>> {
        let sides = [
            side("files", Backends::default(), cached),
            side("servers", self.args.backends.clone(), cached),
        ];
        let load = async |shops: &[Shop; 2]| {
            let targets = [Target::of(&shops[0])?, Target::of(&shops[1])?];
            self.load(&targets, paths).await
        };
        with_both(dir, sides, &self.progress, &self.stop, load).await
    }

    async fn load(
        &self,
        targets: &[Arc<Target>; 2],
        paths: &[HotPath],
    ) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for &path in paths {
            self.progress.step(path.name());
            for target in targets {
                target.load(path, WARM_UP).await?;
            }
            let mut rounds = Vec::new();
            for round in 0..ROUNDS {
                let mut carried = [0.0; 2];
                for side in order(round) {
                    let load = targets[side].load(path, self.args.duration).await?;
                    anyhow::ensure!(load.failed == 0, "{}: {}", path.name(), load.failure);
                    carried[side] = load.per_second();
                }
                rounds.push(carried);
            }
            rows.push(Row { path, rounds });
        }
        Ok(rows)
    }
}

fn print(backends: &Backends, rows: &[Row]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:26}{:>12}{:>12}   {backends} / files",
        "requests per second", "files", "servers"
    )?;
    for Row { path, rounds } in rows {
        let logs: Vec<f64> = rounds.iter().map(|it| (it[1] / it[0]).ln()).collect();
        let ratio = shift(&logs, Confidence::P95).context("compare the rounds")?;
        let Estimate { value, low, high } = ratio.estimate;
        let median = |side: usize| {
            let mut sorted: Vec<f64> = rounds.iter().map(|it| it[side]).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        writeln!(
            out,
            "{:26}{:>12.0}{:>12.0}   {:.2} ({:.2} to {:.2})",
            path.name(),
            median(0),
            median(1),
            value.exp(),
            low.exp(),
            high.exp()
        )?;
    }
    writeln!(
        out,
        "\nMedians of {ROUNDS} rounds, ratios with intervals of 95 %, {CLIENTS} concurrent requests, all on this machine."
    )?;
    Ok(out.flush()?)
}
