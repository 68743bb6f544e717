//! Inventory: how many of each product the shop can sell, and for whom it puts them aside.
//!
//! [`stock`] has the rules, [`store`] what is read, [`ledger`] what orders change.

mod config;
mod events;
mod grpc;
mod ledger;
mod routes;
mod stock;
mod store;

use axum::extract::FromRef;
use chassis::Host;

pub use config::Config;
pub use routes::app;
pub use store::Store;

/// What the service works with; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct State {
    /// What there is.
    pub store: Store,
}

impl State {
    /// Opens what `config` names, and follows orders from now on.
    pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let state = Self {
            store: Store::open(config, host).await?,
        };
        host.admin(routes::admin(state.clone()));
        let handler = state.clone();
        let messaging = &state.store.messaging;
        messaging.consume(host, move |event| events::handle(handler.clone(), event));
        Ok(state)
    }
}

/// Serves the inventory until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    chassis::run("inventory", &config.chassis, async |host| {
        Ok(app(State::open(&config, &host).await?))
    })
    .await
}
