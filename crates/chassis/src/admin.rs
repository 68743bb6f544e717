//! The admin listener: probes, metrics, what the service adds, and, when asked for, faults.

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
};

use crate::{Config, Host, config::Switch, faults, head, readiness::Report};

pub(crate) fn router(config: &Config, metrics: Router, host: &Host) -> Router {
    let metrics = metrics.layer(middleware::from_fn_with_state(host.clone(), refresh));
    let admin = own(config, host)
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz).with_state(host.clone()))
        .merge(metrics);
    admin.layer(middleware::from_fn(head::refuse))
}

/// What a host has of its own, a part of a process too: what was added to it, now or later, and its faults.
pub(crate) fn own(config: &Config, host: &Host) -> Router {
    let added = host.clone();
    let own = Router::new().fallback(move |request: Request| added.serve_admin(request));
    match config.faults {
        Switch::On => own.merge(faults::router(host.faults().clone())),
        Switch::Off => own,
    }
}

async fn readyz(State(host): State<Host>) -> Report {
    host.readiness().report().await
}

async fn refresh(State(host): State<Host>, request: Request, next: Next) -> Response {
    host.refresh_gauges().await;
    next.run(request).await
}
