//! Inventory: how many of each product the shop can sell, and for whom it puts them aside.
//!
//! Beside the files every service has: [`ledger`], the half of the store that orders change.

mod config;
mod events;
mod grpc;
mod ledger;
mod routes;
mod stock;
mod store;

use chassis::Host;
use messaging::Messaging;

pub use config::Config;
pub use routes::app;
pub use store::Store;

/// Serves the inventory until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("inventory", &config.chassis, caller, async |host| {
        let store =
            Store::open(&config.database_url, &config.database, config.seed_products).await?;
        store.database().watch(&host);
        follow(&host, &store, &config.broker_url).await?;
        Ok(app(store))
    })
    .await
}

/// Follows orders from now on, and shows the ledger on the admin port.
pub async fn follow(
    host: &Host,
    store: &Store,
    broker: &messaging::BrokerUrl,
) -> anyhow::Result<Messaging> {
    let messaging = Messaging::open(host, "inventory", broker, store.database()).await?;
    host.admin(routes::admin(store.clone()));
    let (handler, tell) = (store.clone(), messaging.clone());
    messaging.consume(host, move |event| {
        events::handle(handler.clone(), tell.clone(), event)
    });
    Ok(messaging)
}
