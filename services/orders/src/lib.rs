//! Orders: placed at once, then confirmed or cancelled by a saga that runs over events.
//!
//! [`order`] has the rules, [`store`] what is read, [`saga`] what changes orders; [`placing`] is the way of an order into the
//! shop, [`prices`] what the catalogue is asked on it, [`fingerprint`] what a repeated request is known by, [`completion`] tells
//! how long orders take, and [`backfill`] completes what the version before has left.

mod backfill;
mod completion;
mod config;
mod events;
mod fingerprint;
mod order;
mod placing;
mod prices;
mod routes;
mod saga;
mod store;

use axum::extract::FromRef;
use cards::SealingKey;
use chassis::Host;
use identity::Verifier;

pub use config::{AnswerWhen, Config};
use fingerprint::Fingerprints;
use prices::Prices;
pub use routes::app;
pub use store::Store;

/// What the service works with; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct State {
    store: Store,
    prices: Prices,
    verifier: Verifier,
    /// Payments', which card numbers are sealed for.
    card_key: SealingKey,
    fingerprints: Fingerprints,
    answer_when: AnswerWhen,
}

impl State {
    /// Opens what `config` names, follows stock and payments from now on, and cancels what is not final in time.
    pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let state = Self {
            card_key: SealingKey::read(&config.card_key_file)?,
            fingerprints: Fingerprints::read(&config.fingerprint_key_file)?,
            store: Store::open(config, host).await?,
            prices: Prices::new(&config.catalog_addr, host),
            verifier: Verifier::new(&config.users_addr),
            answer_when: config.answer_when,
        };
        state.verifier.watch(host);
        host.admin(routes::admin(state.clone()));
        let swept = state.store.clone();
        host.spawn("order timeouts", move |stop| swept.sweep(stop));
        let filled = state.store.clone();
        host.spawn("currency backfill", move |stop| filled.backfill(stop));
        let handler = state.clone();
        let messaging = &state.store.messaging;
        messaging.consume(host, move |event| events::handle(handler.clone(), event));
        Ok(state)
    }
}

/// Serves orders until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    chassis::run("orders", &config.chassis, async |host| {
        Ok(app(State::open(&config, &host).await?))
    })
    .await
}
