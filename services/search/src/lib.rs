//! Search: finds products by words, from an index of its own.
//!
//! Beside the files every service has: [`query`](mod@query) (what is asked for), [`words`] (what a word is), [`spelling`]
//! (which word was meant), [`reading`] (these three put to the index), [`cursor`] (where a page ended) and [`index`] (the
//! half of the store that writes).

mod config;
mod cursor;
mod index;
mod query;
mod reading;
mod routes;
mod spelling;
mod store;
mod words;

pub use config::{Config, SearchUrl};
pub use routes::app;
pub use store::Store;

/// Serves searches until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("search", &config.chassis, caller, async |host| {
        let store = Store::open(&config.search_url, config.seed_products).await?;
        let database = store.database().clone();
        host.check("database", move || database.clone().ping());
        Ok(app(store))
    })
    .await
}
