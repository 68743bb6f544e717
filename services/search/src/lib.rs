//! Search: finds products by words, and follows what changes in the catalogue.
//!
//! Beside the files every service has: [`query`](mod@query) (what is asked for), [`words`] (what a word is), [`spelling`]
//! (which word was meant), [`reading`] (these three put to the index), [`cursor`] (where a page ended) and [`index`] (the
//! half of the store that writes).

mod config;
mod cursor;
mod events;
mod index;
mod query;
mod reading;
mod routes;
mod spelling;
mod store;
mod words;

use chassis::{BrokerUrl, Database, Host, Messaging};

pub use config::{Config, SearchUrl};
pub use routes::app;
pub use store::Store;

/// Serves searches until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("search", &config.chassis, caller, async |host| {
        let store = Store::open(&config.search_url, config.seed_products).await?;
        Database::from(store.database().clone()).watch(&host);
        follow(&host, &store, &config.broker_url).await?;
        Ok(app(store))
    })
    .await
}

/// Follows changes of products from now on.
pub async fn follow(host: &Host, store: &Store, broker: &BrokerUrl) -> anyhow::Result<()> {
    let database = Database::from(store.database().clone());
    let messaging = Messaging::open(host, "search", broker, &database).await?;
    let (handler, inbox) = (store.clone(), messaging.clone());
    messaging.consume(host, move |event| {
        events::handle(handler.clone(), inbox.clone(), event)
    });
    Ok(())
}
