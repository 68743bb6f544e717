//! Gateway: the only public door of the shop.
//!
//! Beside the files every service has, one for each concern: [`auth`] (who comes in), [`limit`] (rates), [`proxy`] (what
//! passes through), [`page`] (what is composed here), [`documentation`] (the merged OpenAPI document and its page).

mod auth;
mod config;
mod documentation;
mod limit;
mod page;
mod proxy;
mod routes;

use std::time::Duration;

use client::{Address, Upstream};
pub use config::Config;
use identity::Verifier;
pub use routes::app;

/// The services behind the gateway.
#[derive(Debug, Clone)]
pub struct Upstreams {
    catalog: Upstream,
    inventory: Upstream,
    orders: Upstream,
    search: Upstream,
    users: Upstream,
}

impl Upstreams {
    /// Finds them where `config` says. Must be called inside a Tokio runtime.
    pub fn new(config: &Config) -> Self {
        let find = |name, address: &Address, timeout: Duration| {
            let options = client::Options {
                timeout,
                ..client::Options::default()
            };
            Upstream::new(name, address, options)
        };
        Self {
            catalog: find("catalog", &config.catalog_addr, config.catalog_timeout),
            inventory: find(
                "inventory",
                &config.inventory_addr,
                config.inventory_timeout,
            ),
            orders: find("orders", &config.orders_addr, config.orders_timeout),
            search: find("search", &config.search_addr, config.search_timeout),
            users: find("users", &config.users_addr, config.users_timeout),
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
        let verifier = Verifier::new(&config.users_addr);
        // Without the catalogue there is no shop, and without keys nobody is let in; the other services are missed only by
        // those who ask for them.
        let (catalog, keys) = (upstreams.catalog.clone(), verifier.clone());
        host.check("catalog", move || std::future::ready(catalog.discovered()));
        host.check("token_keys", move || std::future::ready(keys.loaded()));
        app(&config, upstreams, verifier)
    })
    .await
}
