//! Where experiments are carried out: for each arm a shop of its own, a receiver for its spans, and the engine.

mod arm;
mod conditions;
mod shop;

use std::time::Instant;

pub(crate) use conditions::Conditions;
use time::OffsetDateTime;

use crate::{
    experiment::Experiment,
    measurement::Measurement,
    report::{
        arm::report,
        document::{ArmReport, ExperimentReport, Observed},
    },
    verdict::Outcome,
};

/// Carries `experiment` out.
///
/// # Errors
/// [`crate::interrupted::Interrupted`], or a machine that cannot do it.
pub(crate) async fn run(
    lab: &Conditions<'_>,
    experiment: &Experiment,
) -> anyhow::Result<ExperimentReport> {
    let began = Instant::now();
    let mut arms: Vec<ArmReport> = Vec::new();
    let mut measurements: Vec<Measurement> = Vec::new();
    for arm in experiment.arms {
        let dir = lab.run_dir.path().join(experiment.name).join(arm.name);
        let from = OffsetDateTime::now_utc();
        let (measurement, objectives) = arm::measure(lab, arm, &dir).await?;
        let mut told = report(arm, &measurement, objectives);
        let range = |it| Observed::new(it, from, OffsetDateTime::now_utc());
        told.observed = lab.stack.map(range);
        arms.push(told);
        if !experiment.across.is_empty() {
            measurements.push(measurement);
        }
    }
    let compare = experiment.across.iter();
    let checks: Vec<_> = compare.flat_map(|it| it(&measurements)).collect();
    let counting = checks.iter().filter(|it| it.counts).map(|it| it.outcome);
    let outcomes = arms.iter().map(|it| it.outcome).chain(counting);
    Ok(ExperimentReport {
        name: experiment.name,
        question: experiment.question,
        outcome: Outcome::worst(outcomes),
        duration_s: began.elapsed().as_secs_f64(),
        arms,
        checks,
    })
}
