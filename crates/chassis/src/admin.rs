//! The admin listener: probes, metrics and, when asked for, faults.

use axum::{Router, extract::State, routing::get};

use crate::{
    Config, Readiness,
    config::Switch,
    faults::{self, Faults},
    readiness::Report,
};

pub(crate) fn router(
    config: &Config,
    metrics: Router,
    readiness: Readiness,
    faults: Faults,
) -> Router {
    let admin = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz).with_state(readiness))
        .merge(metrics);
    match config.faults {
        Switch::On => admin.merge(faults::router(faults)),
        Switch::Off => admin,
    }
}

async fn readyz(State(readiness): State<Readiness>) -> Report {
    readiness.report().await
}
