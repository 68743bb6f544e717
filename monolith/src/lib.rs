//! The shop as one process, to compare with: the same seven libraries, composed.
//!
//! A part calls another where a service would send a request: behind the same `client::Upstream`, with its deadline, breaker, bulkhead
//! and span, but without a socket. Databases stay apart, and so do the saga and its events: what one transaction instead of them
//! would save is measured by `cargo bench -p monolith`.
//!
//! There is one listener, which is the gateway's, one admin port, and one of all that a process has one of: logs, metrics and traces
//! are those of `monolith`. `/readyz` has a check for each part, whose admin routes and faults are below its name
//! (`/orders/audit`, `/search/faults`). Series that parts have in common are one: counts are sums, as are the events in outboxes, and of other gauges
//! without a label that tells parts apart, such as those of admission, the last one said holds.

mod compose;
mod config;

pub use compose::compose;
pub use config::{Config, PARTS};

/// Serves the whole shop until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    chassis::run("monolith", &config.gateway.chassis, async |host| {
        compose(&config, &host).await
    })
    .await
}
