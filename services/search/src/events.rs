//! What is heard from the catalogue.

use std::{sync::LazyLock, time::Duration};

use api::{BROADCAST, Fact, QUEUES};
use chassis::{Error, Host};
use database::Database;
#[cfg(feature = "elasticsearch")]
use messaging::Subscription;
use messaging::{Event, Messaging, Topology};
use prometheus_client::metrics::{gauge::Gauge, histogram::Histogram};
use telemetry::names;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

#[cfg(feature = "elasticsearch")]
use crate::engine::elastic::Elastic;
use crate::{Config, Store, engine::sqlite::Sqlite};

static FRESHNESS: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "Time from the change of a product until it is searchable";
    let histogram = Histogram::new(names::LATENCY_BUCKETS);
    telemetry::register(names::SEARCH_FRESHNESS, help, histogram)
});

static OVERDUE: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Changes of products that have waited to be indexed for more than 5 s, as far as this process can tell";
    telemetry::register(names::SEARCH_CHANGES_OVERDUE, help, Gauge::default())
});

/// The time within which a change should be searchable, which is what shoppers are promised.
const SEARCHABLE_WITHIN: Duration = Duration::from_secs(5);

/// The index that follows the catalogue, and how it tells an event that it has heard before.
#[derive(Clone)]
enum Follower {
    /// By the inbox, in the commit of the change.
    Sqlite(Sqlite, Box<Messaging>),
    /// By the version of the product: a second time, or late, nothing changes.
    #[cfg(feature = "elasticsearch")]
    Elasticsearch(Elastic),
}

/// Follows changes of products from now on.
pub(crate) async fn follow(store: &Store, config: &Config, host: &Host) -> anyhow::Result<()> {
    let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
    let options = &config.messaging;
    match store {
        Store::Sqlite(index) => {
            let database = Database::from(index.database().clone());
            let messaging = Messaging::open(host, "search", options, &topology, &database).await?;
            let waiting = messaging.clone();
            watch(host, move || waiting.overdue(SEARCHABLE_WITHIN));
            let follower = Follower::Sqlite(index.clone(), messaging.clone().into());
            messaging.consume(host, move |event| handle(follower.clone(), event));
        }
        #[cfg(feature = "elasticsearch")]
        Store::Elasticsearch(index) => {
            let subscription = Subscription::open(host, "search", options, &topology).await?;
            let waiting = subscription.clone();
            watch(host, move || waiting.overdue(SEARCHABLE_WITHIN));
            let follower = Follower::Elasticsearch(index.clone());
            subscription.consume(host, move |event| handle(follower.clone(), event));
        }
    }
    Ok(())
}

/// Has `/metrics` say how many changes wait for too long. Freshness is recorded when a change can be searched, and is blind to one that
/// never can.
fn watch(host: &Host, overdue: impl Fn() -> usize + Send + Sync + 'static) {
    // There from the start, at zero.
    LazyLock::force(&FRESHNESS);
    host.gauge(move || {
        OVERDUE.set(overdue().try_into().unwrap_or(i64::MAX));
        std::future::ready(())
    });
}

/// Indexes a change, and returns when it can be searched; an event that is none of its business is let pass.
async fn handle(follower: Follower, event: Event) -> Result<(), Error> {
    let Fact::ProductChanged(product) = &event.read()? else {
        return Ok(());
    };
    let changed = match &follower {
        Follower::Sqlite(index, inbox) => index.change(inbox, &event, product).await?,
        #[cfg(feature = "elasticsearch")]
        Follower::Elasticsearch(index) => index.change(product).await?,
    };
    if changed {
        observe_freshness(&event);
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
        Err(error) => {
            tracing::warn!(%error, event_id = event.id, "event time malformed; freshness not recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_should_be_searchable_when_shoppers_are_promised_they_are() {
        let promised = slo::shop().iter().find(|it| it.name == "search-freshness");
        let limit = promised.and_then(|it| it.indicator.limit());
        assert_eq!(limit, Some(SEARCHABLE_WITHIN));
    }
}
