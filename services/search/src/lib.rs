//! Search: finds products by words, and follows what changes in the catalogue.
//!
//! [`text`] says what is asked for and what it means, [`engine`] has the two indices that are asked, and [`store`] is whichever of
//! the two the URL names. What changes an index stands in the engine, in `sqlite/index.rs` and `elastic/bulk.rs`: [`events`] brings changes one
//! by one, [`rebuild`] all products anew.

mod config;
mod engine;
mod events;
mod rebuild;
mod routes;
mod store;
mod text;

use axum::extract::FromRef;
use chassis::Host;

pub use config::Config;
pub use engine::{
    Options,
    url::{ElasticsearchUrl, SearchUrl},
};
pub use rebuild::{Outcome, Rebuilder, Status};
pub use routes::{admin, app};
pub use store::Store;

/// What the service works with; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct State {
    /// The index.
    pub store: Store,
    /// What writes it anew.
    pub rebuilder: Rebuilder,
}

impl State {
    /// Opens what `config` names, and follows changes of products from now on.
    pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let store = Store::open(config, host).await?;
        let state = Self {
            rebuilder: Rebuilder::start(host, store.clone(), &config.catalog_addr),
            store,
        };
        host.admin(routes::admin(state.clone()));
        events::follow(&state.store, config, host).await?;
        Ok(state)
    }
}

/// Serves searches until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    chassis::run("search", &config.chassis, async |host| {
        Ok(app(State::open(&config, &host).await?))
    })
    .await
}
