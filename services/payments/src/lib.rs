//! Payments: charges what an order costs and gives it back if the order is off. It stands for a slow, flaky third party.
//!
//! Beside the files every service has: [`provider`], the third party.

mod config;
mod events;
mod payment;
mod provider;
mod routes;
mod store;

use chassis::Host;
pub use config::Config;
use messaging::Messaging;
pub use routes::app;
pub use store::Store;

/// Serves payments until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("payments", &config.chassis, caller, async |host| {
        let store = Store::open(&config.database_url, &config.database).await?;
        store.database().watch(&host);
        follow(&host, &store, &config).await?;
        Ok(app())
    })
    .await
}

/// Follows orders from now on, and shows the ledger on the admin port.
pub async fn follow(host: &Host, store: &Store, config: &Config) -> anyhow::Result<Messaging> {
    let messaging = Messaging::open(host, "payments", &config.broker_url, store.database()).await?;
    host.admin(routes::admin(store.clone()));
    let provider = provider::Provider::new(config);
    let (handler, tell) = (store.clone(), messaging.clone());
    messaging.consume(host, move |event| {
        events::handle(handler.clone(), tell.clone(), provider.clone(), event)
    });
    Ok(messaging)
}
