//! Payments: charges what an order costs and gives it back if the order is off. The third party that does so is simulated.
//!
//! [`payment`] has the rules, [`store`] what is read, [`ledger`] what orders change; [`provider`] is the third party.

mod config;
mod events;
mod ledger;
mod payment;
mod provider;
mod routes;
mod store;

use axum::extract::FromRef;
use cards::OpeningKeys;
use chassis::Host;

pub use config::Config;
use provider::Provider;
pub use routes::app;
pub use store::Store;

/// What the service works with; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct State {
    /// What was taken and given back.
    pub store: Store,
    provider: Provider,
    card_keys: OpeningKeys,
}

impl State {
    /// Opens what `config` names, and follows orders from now on.
    pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let state = Self {
            card_keys: OpeningKeys::read(&config.card_key_file)?,
            store: Store::open(config, host).await?,
            provider: Provider::new(config),
        };
        host.admin(routes::admin(state.clone()));
        let handler = state.clone();
        let messaging = &state.store.messaging;
        messaging.consume(host, move |event| events::handle(handler.clone(), event));
        Ok(state)
    }
}

/// Serves payments until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    chassis::run("payments", &config.chassis, async |host| {
        Ok(app(State::open(&config, &host).await?))
    })
    .await
}
