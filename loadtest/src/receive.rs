//! `receive`: where Alertmanager of a deployment in containers tells of alerts. A pager or a chat takes its place.
//!
//! It is observed as a service is: every alert is a line of its log, and it is not ready while the dead man's switch is missed.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use clap::Args;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::observe::{Notification, SWITCH, Switch};

/// How often it is asked when the switch was last heard.
const SWITCH_INTERVAL: Duration = Duration::from_secs(1);

/// How alerts are received.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReceiveArgs {
    /// The listeners for alerts, and for probes and metrics.
    #[command(flatten)]
    pub(crate) chassis: chassis::Config,
    /// How long the dead man's switch may stay away before it is missed
    #[arg(long, env = "SWITCH_PATIENCE", default_value = "15m", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) patience: Duration,
}

/// Takes alerts until it is told to stop.
pub(crate) async fn receive(args: ReceiveArgs) -> anyhow::Result<()> {
    let patience = args.patience;
    chassis::run("receiver", &args.chassis, async move |host| {
        let switch = Arc::new(Switch::new(patience));
        let checked = Arc::clone(&switch);
        host.check("watchdog", move || {
            let missed = checked.is_missed();
            async move {
                let late = || format!("not heard for {patience:?}: alerts do not arrive");
                if missed { Err(late()) } else { Ok(()) }
            }
        });
        let watched = Arc::clone(&switch);
        host.spawn("switch", move |stop| watch(watched, stop));
        Ok(Router::new()
            .route("/{*path}", post(take))
            .with_state(switch))
    })
    .await
}

async fn watch(switch: Arc<Switch>, stop: CancellationToken) {
    while stop
        .run_until_cancelled(sleep(SWITCH_INTERVAL))
        .await
        .is_some()
    {
        if switch.looked_at() {
            tracing::error!("dead man's switch missed: alerts do not arrive");
        }
    }
}

async fn take(State(switch): State<Arc<Switch>>, Json(it): Json<Notification>) -> StatusCode {
    for alert in it.alerts {
        if alert.label("alertname") == SWITCH {
            if switch.hear() {
                tracing::info!("dead man's switch heard again");
            }
            continue;
        }
        let (name, service, slo) = (
            alert.label("alertname"),
            alert.label("service"),
            alert.label("slo"),
        );
        let (team, summary) = (alert.label("team"), alert.annotation("summary"));
        if alert.fires() {
            let (page, dashboard) = (
                alert.annotation("runbook_url"),
                alert.annotation("dashboard_url"),
            );
            tracing::warn!(
                alert = name,
                service,
                slo,
                team,
                summary,
                page,
                dashboard,
                "alert fires"
            );
        } else {
            tracing::info!(alert = name, service, slo, team, summary, "alert resolved");
        }
    }
    StatusCode::OK
}
