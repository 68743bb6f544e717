//! Gateway: the only public door of the shop.
//!
//! Beside the files every service has, one for each concern: [`limit`] (rates), [`proxy`] (what passes through), [`page`]
//! (what is composed here), [`documentation`] (the merged OpenAPI document and its page).

mod config;
mod documentation;
mod limit;
mod page;
mod proxy;
mod routes;

use std::time::Duration;

use chassis::{Upstream, UpstreamOptions};
pub use config::Config;
pub use routes::app;

/// The services behind the gateway.
#[derive(Debug, Clone)]
pub struct Upstreams {
    catalog: Upstream,
    inventory: Upstream,
}

impl Upstreams {
    /// Finds them where `config` says. Must be called inside a Tokio runtime.
    pub fn new(config: &Config) -> Self {
        let within = |timeout: Duration| UpstreamOptions {
            timeout,
            ..UpstreamOptions::default()
        };
        Self {
            catalog: Upstream::new(
                "catalog",
                &config.catalog_addr,
                within(config.catalog_timeout),
            ),
            inventory: Upstream::new(
                "inventory",
                &config.inventory_addr,
                within(config.inventory_timeout),
            ),
        }
    }
}

/// Serves the public routes until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = if config.trust_traceparent {
        telemetry::Caller::Trusted
    } else {
        telemetry::Caller::Untrusted
    };
    chassis::run("gateway", &config.chassis, caller, async |host| {
        let upstreams = Upstreams::new(&config);
        // Without the catalogue there is no shop; without the inventory pages still come.
        let catalog = upstreams.catalog.clone();
        host.check("catalog", move || std::future::ready(catalog.discovered()));
        app(&config, upstreams)
    })
    .await
}
