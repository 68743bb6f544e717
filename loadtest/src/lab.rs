//! Where experiments are carried out: for each arm a shop of its own, a receiver for its spans, and the engine.

mod arm;
mod conditions;
mod course;
mod scaling;
mod shop;
mod target;

use std::time::Instant;

pub(crate) use conditions::Conditions;
use time::OffsetDateTime;

use crate::{
    experiment::{Arm, Experiment},
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
    for arm in &possible(lab, experiment) {
        let dir = lab.run_dir.path().join(experiment.name).join(arm.name);
        let from = OffsetDateTime::now_utc();
        if let Some(clients) = lab.clients {
            clients.enter(experiment.name, arm.name);
        }
        let (measurement, objectives) = match lab.target {
            None => arm::measure(lab, arm, &dir).await?,
            Some(target) => target::measure(lab, arm, &dir, target).await?,
        };
        let mut told = report(arm, &measurement, objectives);
        let range = |it| Observed::new(it, from, OffsetDateTime::now_utc());
        told.observed = lab.stack.map(range);
        arms.push(told);
        if !(experiment.across.is_empty() && experiment.compared.is_empty()) {
            measurements.push(measurement);
        }
    }
    let all = measurements.len() == experiment.arms.len();
    let compare = experiment.across.iter().filter(|_| all);
    let checks: Vec<_> = compare.flat_map(|it| it(&measurements)).collect();
    let compared = experiment.compared.iter().filter(|_| all);
    let tables = compared.map(|it| it(&measurements)).collect();
    let counting = checks.iter().filter(|it| it.counts).map(|it| it.outcome);
    let outcomes = arms.iter().map(|it| it.outcome).chain(counting);
    Ok(ExperimentReport {
        name: experiment.name,
        question: experiment.question.to_owned(),
        outcome: Outcome::worst(outcomes),
        duration_s: began.elapsed().as_secs_f64(),
        arms,
        checks,
        tables,
        comparison: None,
    })
}

/// The arms that are carried out.
fn possible(lab: &Conditions<'_>, experiment: &Experiment) -> Vec<Arm> {
    let arms = experiment.arms.iter();
    match lab.target {
        None => arms.copied().collect(),
        Some(target) => arms.filter_map(|it| target::left_of(it, target)).collect(),
    }
}
