//! The services behind the gateway, and how long each may take.

use std::time::Duration;

use chassis::Host;
use client::{Address, Upstream};

use crate::Config;

/// The services behind the gateway; cloning shares their connections.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams {
    pub(crate) catalog: Upstream,
    pub(crate) inventory: Upstream,
    pub(crate) orders: Upstream,
    pub(crate) search: Upstream,
    pub(crate) users: Upstream,
}

impl Upstreams {
    /// Finds them where `config` says. Must be called inside a Tokio runtime.
    ///
    /// Without the catalogue there is no shop, so `/readyz` asks for it; the others are missed only by those who ask for them.
    pub(crate) fn new(config: &Config, host: &Host) -> Self {
        let find = |name, address: &Address, milliseconds| {
            Upstream::new(name, address, Duration::from_millis(milliseconds))
        };
        let upstreams = Self {
            catalog: find("catalog", &config.catalog_addr, 2_000),
            // A product page does without it.
            inventory: find("inventory", &config.inventory_addr, 300),
            orders: find("orders", &config.orders_addr, 3_000),
            search: find("search", &config.search_addr, 2_000),
            // Passwords wait there to be hashed.
            users: find("users", &config.users_addr, 5_000),
        };
        upstreams.catalog.watch(host);
        upstreams
    }
}
