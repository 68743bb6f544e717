//! Inventory: how many of each product the shop can sell.

mod config;
mod grpc;
mod routes;
mod store;

pub use config::Config;
pub use routes::app;
pub use store::Store;

/// Serves the inventory until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("inventory", &config.chassis, caller, async |host| {
        let store = Store::open(&config.database_url, config.seed_products).await?;
        let database = store.database().clone();
        host.check("database", move || database.clone().ping());
        Ok(app(store))
    })
    .await
}
