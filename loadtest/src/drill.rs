//! `drill`: alerts that are seen firing, and runbooks that are followed while they do.
//!
//! One shop, one Prometheus and one Alertmanager serve all drills in turn, under load and on a fast clock (`slo::scale`): 30 days become
//! 12 hours, so that a burn rate over an hour is seen within a minute. What is expected of each drill is data ([`catalogue`]).

mod act;
mod cache;
mod catalogue;
mod diagnosis;
mod ground;
mod matrix;
mod page;
mod rehearsal;
mod scaled;
mod tried;
mod watch;

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use catalogue::{Catalogue, Drill};
use ground::Ground;
use matrix::Matrix;
use rehearsal::Rehearsed;

use crate::{
    args::{DrillArgs, RunsDir},
    interrupted::{Interrupt, Interrupted},
    progress::Progress,
    run_dir::RunDir,
    verdict::Outcome,
};

/// Seconds without a fault, and without an alert, before all drills.
const HEALTHY_FOR: u64 = 600;

/// Carries drills out and prints what fired.
///
/// # Errors
/// An alert without a drill, [`Interrupted`], or a machine that cannot do it.
pub(crate) async fn drill(
    args: &DrillArgs,
    runs: &RunsDir,
    stop: Interrupt,
) -> anyhow::Result<Outcome> {
    let catalogue = Catalogue::of_the_shop()?;
    if args.list {
        write!(io::stdout().lock(), "{}", catalogue.list())?;
        return Ok(Outcome::Pass);
    }
    let chosen = if args.all {
        catalogue.here()
    } else {
        catalogue.choose(&args.names)?
    };
    let run_dir = RunDir::create(&runs.path, "drill")?;
    let progress = Progress::new();
    let began = Instant::now();
    let rehearsed = both(&chosen, args, &run_dir, &progress, &stop).await;
    progress.done();
    let matrix = Matrix::new(&catalogue, rehearsed?, began.elapsed());
    let pages = matrix.write(&run_dir)?;
    let mut out = io::stdout().lock();
    write!(out, "{}", matrix.text())?;
    writeln!(out, "Report: {}", pages.display())?;
    Ok(matrix.outcome())
}

/// Those that leave nothing behind in one shop, strict ones first; and each of the others in a shop of its own.
async fn both(
    chosen: &[&Drill],
    args: &DrillArgs,
    run_dir: &RunDir,
    progress: &Progress,
    stop: &Interrupt,
) -> anyhow::Result<Vec<Rehearsed>> {
    let (lasting, mut passing): (Vec<&Drill>, Vec<&Drill>) =
        chosen.iter().copied().partition(|it| it.leaves_traces());
    passing.sort_by_key(|it| !it.may_fire.is_empty());
    let mut rehearsed = Vec::new();
    let shops = [("shop".to_owned(), passing)];
    let alone = lasting
        .into_iter()
        .map(|it| (it.name().to_owned(), vec![it]));
    let mut healthy = args.healthy_for.or(args.all.then_some(HEALTHY_FOR));
    for (name, drills) in shops.into_iter().chain(alone) {
        let lasts = healthy.take().filter(|it| *it > 0);
        if drills.is_empty() && lasts.is_none() {
            continue;
        }
        let dir = run_dir.path().join(name);
        let ground = tokio::select! {
            ground = Ground::open(&dir, args, progress, stop) => ground,
            () = stop.cancelled() => Err(Interrupted.into()),
        };
        let mut ground = ground?;
        let lasts = lasts.map(Duration::from_secs);
        let some = tokio::select! {
            some = all(&drills, lasts, &mut ground, progress) => some,
            () = stop.cancelled() => Err(Interrupted.into()),
        };
        progress.step("stopping the shop, Prometheus and Alertmanager");
        ground.close(stop).await;
        rehearsed.extend(some?);
    }
    Ok(rehearsed)
}

async fn all(
    chosen: &[&Drill],
    healthy: Option<Duration>,
    ground: &mut Ground,
    progress: &Progress,
) -> anyhow::Result<Vec<Rehearsed>> {
    let load = ground.load();
    let drills = async {
        let mut rehearsed = Vec::new();
        ground.wait_for_data().await?;
        if let Some(lasts) = healthy {
            progress.step(format!("healthy: nothing may fire for {lasts:?}"));
            let it = rehearsal::healthy(ground, lasts).await?;
            progress.say(&it.line());
            rehearsed.push(it);
        }
        for drill in chosen {
            progress.step(format!("{}: waiting for {}", drill.name(), drill.alert));
            let it = rehearsal::rehearse(ground, drill).await?;
            progress.say(&it.line());
            rehearsed.push(it);
        }
        anyhow::Ok(rehearsed)
    };
    tokio::select! {
        rehearsed = drills => rehearsed,
        ended = load => Err(ended),
    }
}
