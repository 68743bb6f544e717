//! Catalog: what the shop sells, and at which price.
//!
//! [`products`] has the rules, [`store`] what is read, [`changes`] what admins change.

mod changes;
mod config;
mod events;
mod grpc;
mod products;
mod routes;
mod store;

use axum::extract::FromRef;
use chassis::Host;
use identity::Verifier;

pub use config::Config;
pub use routes::app;
pub use store::Store;

/// What the service works with; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct State {
    store: Store,
    verifier: Verifier,
}

impl State {
    /// Opens what `config` names, and from now on forgets what other replicas change.
    pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let state = Self {
            store: Store::open(config, host).await?,
            verifier: Verifier::new(&config.users_addr),
        };
        state.verifier.watch(host);
        let handler = state.clone();
        let messaging = &state.store.messaging;
        messaging.overhear(host, move |heard| events::handle(handler.clone(), heard));
        Ok(state)
    }
}

/// Serves the catalogue until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    chassis::run("catalog", &config.chassis, async |host| {
        Ok(app(State::open(&config, &host).await?))
    })
    .await
}
