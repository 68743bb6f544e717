//! Hypothesis: at nominal load the shop keeps its objectives, and what it says of itself is what its clients saw.
//!
//! The arm that must hurt answers one in twenty catalogue requests with an error. If the objectives still held, they
//! would prove nothing.

use std::time::Duration;

use chassis::Fault;

use crate::{
    deployment::Service,
    engine::plan::Phase,
    judge::{
        audit,
        objectives::{OBJECTIVES, Objective, completion},
        reconcile::reconcile,
        saga, traces, validity,
    },
    lab::Lab,
    measurement::Measurement,
    report::{arm, document::ArmReport},
    verdict::{Check, Expectation},
};

/// The quick profile: so many requests that an availability of 99.9 % can be told from less.
const QUICK: Duration = Duration::from_secs(40);
/// Connections and caches fill; reconciled, not judged.
const WARM_UP_S: f64 = 3.0;
/// The share of catalogue requests that fail in the arm that must hurt.
const ERROR_RATIO: f64 = 0.05;
/// Index of the phase that objectives are judged on.
const MEASURED: u16 = 1;

pub(super) async fn run(lab: &Lab<'_>) -> anyhow::Result<Vec<ArmReport>> {
    let seconds = lab.args.duration.unwrap_or(QUICK).as_secs_f64();

    let measured = lab.measure("nominal", phases(lab, seconds)).await?;
    let nominal = report(
        &measured,
        "Nominal load: shoppers who browse, search and buy.",
        Expectation::Holds,
    );
    if !measured.restless.is_empty() {
        // What is left over would be counted in the next arm.
        return Ok(vec![nominal]);
    }

    let fault = Fault {
        route: String::from("/products/{id}"),
        error_ratio: ERROR_RATIO,
        ..Fault::default()
    };
    lab.set_fault(Service::Catalog, &fault).await?;
    let errors = lab.measure("errors", phases(lab, seconds / 2.0)).await;
    lab.clear_fault(Service::Catalog, &fault.route).await?;
    let errors = report(
        &errors?,
        "The catalogue answers 5 % of product requests with an error.",
        Expectation::MustHurt,
    );
    Ok(vec![nominal, errors])
}

fn phases(lab: &Lab<'_>, seconds: f64) -> Vec<Phase> {
    vec![
        lab.nominal("warm-up", WARM_UP_S),
        lab.nominal("measured", seconds),
    ]
}

fn report(it: &Measurement, description: &str, expectation: Expectation) -> ArmReport {
    arm::report(it, description, expectation, MEASURED, checks(it))
}

fn checks(it: &Measurement) -> Vec<Check> {
    let mut checks = validity::checks(it);
    let objectives = OBJECTIVES.iter();
    let judge = |objective: &Objective| objective.check(&it.recording, MEASURED, it.stolen);
    checks.extend(objectives.map(judge));
    checks.push(completion(&it.load.attempts, MEASURED));
    checks.push(validity::rest(it));
    checks.extend(audit::checks(
        &audit::promises(&it.load.attempts),
        &it.ledgers,
    ));
    if let Some(reason) = validity::cannot_reconcile(it) {
        checks.push(reason);
        return checks;
    }
    checks.extend(reconcile(&it.load.attempts, &it.evidence));
    checks.push(traces::connected(
        &it.load.attempts,
        &it.evidence,
        "GET /products/{id}",
        &["gateway", "catalog", "inventory"],
    ));
    checks.push(saga::check(&it.load.attempts, &it.evidence, &it.ledgers));
    checks
}
