//! How many requests two shops carry, by turns: each hot path in a closed loop.

use std::{sync::Arc, time::Duration};

use super::machine::{Machine, checks};
use crate::{
    closed::{HotPath, Target},
    judge::comparison::{Figure, Measure, judged},
    progress::Progress,
    side_by_side::{Shop, order},
    statistics::to_f64,
    verdict::Check,
};

/// What is cached is cached in both shops.
const PATHS: [HotPath; 3] = [HotPath::PageHit, HotPath::Search, HotPath::Order];
/// Before the first slice of a path: connections and caches fill.
const WARM_UP: Duration = Duration::from_secs(1);

/// How the shops are loaded.
pub(super) struct Laps<'a> {
    pub(super) pairs: usize,
    pub(super) slice: Duration,
    pub(super) tolerance: f64,
    pub(super) progress: &'a Progress,
}

/// A slice of each side: requests a second, and milliseconds of processor time for each where the kernel tells.
type Lap = [(f64, Option<f64>); 2];
/// Failed requests and all in each slice, of A and of B.
type Failed = [Vec<(u64, u64)>; 2];

impl Laps<'_> {
    /// Loads each path of `shops` by turns. Returns what came of it, and whether it can be trusted.
    pub(super) async fn run(&self, shops: &[Shop; 2]) -> anyhow::Result<(Vec<Figure>, Vec<Check>)> {
        let machine = Machine::now();
        let targets = [Target::of(&shops[0])?, Target::of(&shops[1])?];
        let (mut values, mut failed) = (Vec::new(), Failed::default());
        for path in PATHS {
            let laps = self.path(path, shops, &targets, &mut failed).await?;
            let carried = laps.iter().map(|[a, b]| (a.0, b.0));
            let cpu = laps.iter().filter_map(|[a, b]| Some((a.1?, b.1?)));
            let positive = |it: &(f64, f64)| it.0 > 0.0 && it.1 > 0.0;
            let name = path.name();
            values.push((
                (name.to_owned(), Measure::Throughput),
                carried.filter(positive).collect(),
            ));
            values.push((
                (format!("CPU: {name}"), Measure::Cpu),
                cpu.filter(positive).collect(),
            ));
        }
        let figures = judged(values, failed, self.tolerance);
        Ok((figures, checks(shops, machine.stolen())))
    }

    async fn path(
        &self,
        path: HotPath,
        shops: &[Shop; 2],
        targets: &[Arc<Target>; 2],
        failed: &mut Failed,
    ) -> anyhow::Result<Vec<Lap>> {
        for target in targets {
            target.load(path, WARM_UP).await?;
        }
        let mut laps = Vec::new();
        for pair in 0..self.pairs {
            let name = path.name();
            self.progress
                .step(format!("{name}: pair {} of {}", pair + 1, self.pairs));
            let mut lap = Lap::default();
            for side in order(pair) {
                let before = shops[side].cpu_seconds();
                let load = targets[side].load(path, self.slice).await?;
                let used = || Some(shops[side].cpu_seconds()? - before?);
                let all = load.answered + load.failed;
                failed[side].push((load.failed, all));
                lap[side] = (
                    load.per_second(),
                    used().map(|it| 1000.0 * it / to_f64(all.max(1))),
                );
            }
            laps.push(lap);
        }
        Ok(laps)
    }
}
