//! Orders: placed at once, then confirmed or cancelled by a saga that runs over events.
//!
//! Beside the files every service has: [`prices`] (what the catalogue is asked) and [`saga`] (the half of the store that
//! changes orders).

mod config;
mod events;
mod order;
mod prices;
mod routes;
mod saga;
mod store;

use std::sync::LazyLock;

use chassis::Host;
pub use config::Config;
use identity::Verifier;
use messaging::{BrokerUrl, Messaging};
pub use prices::Prices;
use prometheus_client::metrics::gauge::Gauge;
pub use routes::{Shop, app};
pub use store::Store;

static PENDING: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Orders that are not final";
    telemetry::register(telemetry::names::ORDERS_PENDING, help, Gauge::default())
});

/// Serves orders until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("orders", &config.chassis, caller, async |host| {
        let store =
            Store::open(&config.database_url, &config.database, config.order_timeout).await?;
        store.database().watch(&host);
        let messaging = follow(&host, &store, &config.broker_url).await?;
        let verifier = Verifier::new(&config.users_addr);
        let keys = verifier.clone();
        host.check("token_keys", move || std::future::ready(keys.loaded()));
        let prices = Prices::new(&config.catalog_addr, config.catalog_timeout);
        let catalog = prices.clone();
        host.check("catalog", move || std::future::ready(catalog.discovered()));
        Ok(app(Shop {
            store,
            messaging,
            prices,
            verifier,
        }))
    })
    .await
}

/// Follows stock and payments from now on, cancels what is not final in time, and shows all orders on the admin port.
pub async fn follow(host: &Host, store: &Store, broker: &BrokerUrl) -> anyhow::Result<Messaging> {
    let messaging = Messaging::open(host, "orders", broker, store.database()).await?;
    host.admin(routes::admin(store.clone()));
    let gauge = store.clone();
    host.gauge(move || count_pending(gauge.clone()));
    let (swept, tell) = (store.clone(), messaging.clone());
    host.spawn("order timeouts", move |stop| swept.sweep(tell, stop));
    let (handler, tell) = (store.clone(), messaging.clone());
    messaging.consume(host, move |event| {
        events::handle(handler.clone(), tell.clone(), event)
    });
    Ok(messaging)
}

async fn count_pending(store: Store) {
    match store.pending().await {
        Ok(count) => _ = PENDING.set(count),
        Err(error) => tracing::warn!(%error, "pending orders were not counted"),
    }
}
