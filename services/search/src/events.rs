//! What is heard from the catalogue.

use std::sync::LazyLock;

use api::{Event, Fact, Product};
use chassis::{Error, Messaging};
use prometheus_client::metrics::histogram::Histogram;
use telemetry::names;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{Store, index};

static FRESHNESS: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "From a change of a product to the moment it can be searched";
    let histogram = Histogram::new(names::LATENCY_BUCKETS);
    telemetry::register(names::SEARCH_FRESHNESS, help, histogram)
});

/// Indexes a change; an event that is none of its business is let pass.
pub(crate) async fn handle(store: Store, messaging: Messaging, event: Event) -> Result<(), Error> {
    match &event.fact {
        Fact::ProductChanged(product) => change(&store, &messaging, &event, product).await,
        _ => Ok(()),
    }
}

/// Makes the index say what `event` says of `product`. It may come late: a product never goes back to an older version.
async fn change(
    store: &Store,
    messaging: &Messaging,
    event: &Event,
    product: &Product,
) -> Result<(), Error> {
    let mut transaction = store.database().write().await?;
    if !messaging.is_new(&mut transaction, event).await? {
        return Ok(());
    }
    let update = index::put(&mut transaction, [product]);
    let changed = telemetry::db("sqlite", "UPDATE", "products", update).await?;
    transaction.commit().await?;
    if changed > 0 {
        observe_freshness(event);
    }
    Ok(())
}

fn observe_freshness(event: &Event) {
    match OffsetDateTime::parse(&event.time, &Rfc3339) {
        Ok(time) => {
            let age = OffsetDateTime::now_utc() - time;
            // Clocks of two machines may differ by more than the event took.
            FRESHNESS.observe(age.as_seconds_f64().max(0.0));
        }
        Err(error) => tracing::warn!(%error, event_id = event.id, "event without a readable time"),
    }
}
