//! Catalog: what the shop sells, and at which price.

mod config;
mod events;
mod grpc;
mod products;
mod routes;
mod store;

pub use config::Config;
use identity::Verifier;
pub use routes::app;
pub use store::Store;

/// Serves the catalogue until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("catalog", &config.chassis, caller, async |host| {
        let store = Store::open(&host, &config).await?;
        let verifier = Verifier::new(&config.users_addr);
        let keys = verifier.clone();
        store.database().watch(&host);
        host.check("token_keys", move || std::future::ready(keys.loaded()));
        Ok(app(store, verifier))
    })
    .await
}
