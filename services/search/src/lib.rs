//! Search: finds products by words, and follows what changes in the catalogue.
//!
//! Beside the files every service has: [`url`] (which engine), [`sqlite`] and [`elastic`] (the engines behind the store),
//! [`query`](mod@query) (what is asked for), [`words`] (what a word is), [`spelling`] (which word was meant), [`reading`]
//! (these put together), [`cursor`] (where a page ended) and [`rebuild`] (the index written anew from the catalogue).

mod config;
mod cursor;
#[cfg(feature = "elasticsearch")]
mod elastic;
mod events;
mod query;
mod reading;
mod rebuild;
mod routes;
mod spelling;
mod sqlite;
mod store;
mod url;
mod words;

use chassis::Host;
use database::Database;
#[cfg(feature = "elasticsearch")]
use messaging::Subscription;
use messaging::{BrokerUrl, Messaging};

pub use config::Config;
use events::Follower;
pub use rebuild::{Outcome, Rebuilder, Status};
pub use routes::{admin, app};
pub use store::Store;
pub use url::{ElasticsearchUrl, SearchUrl};

/// Serves searches until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("search", &config.chassis, caller, async |host| {
        let store = Store::open(&config).await?;
        store.watch(&host);
        follow(&host, &store, &config.broker_url).await?;
        let rebuilder = Rebuilder::start(&host, store.clone(), &config.catalog_addr);
        host.admin(admin(rebuilder));
        Ok(app(store))
    })
    .await
}

/// Follows changes of products from now on.
pub async fn follow(host: &Host, store: &Store, broker: &BrokerUrl) -> anyhow::Result<()> {
    match store {
        Store::Sqlite(index) => {
            let database = Database::from(index.database().clone());
            let messaging = Messaging::open(host, "search", broker, &database).await?;
            let follower = Follower::Sqlite(index.clone(), messaging.clone());
            messaging.consume(host, move |event| events::handle(follower.clone(), event));
        }
        #[cfg(feature = "elasticsearch")]
        Store::Elasticsearch(index) => {
            let subscription = Subscription::open(host, "search", broker).await?;
            let follower = Follower::Elasticsearch(index.clone());
            subscription.consume(host, move |event| events::handle(follower.clone(), event));
        }
    }
    Ok(())
}
