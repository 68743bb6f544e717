//! Search as the catalogue's events change it.

use std::time::Duration;

use api::{BROADCAST, Fact, Product, QUEUES, SearchQuery};
use chassis::Host;
use database::{Database, Migrations};
use messaging::{Broker, BrokerUrl, Messaging, Topology};

use crate::{SEEDED, Search, heard, on_every_engine};

/// Events that have not been heard by then are lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// The catalogue, as far as search can tell.
struct Catalog {
    database: Database,
    messaging: Messaging,
    broker: Broker,
}

impl Catalog {
    /// A catalogue that `search` follows.
    async fn followed_by(search: &Search) -> Self {
        let broker_url: BrokerUrl = heard(search.data.path()).parse().expect("a URL");
        let file = search.data.path().join("catalog.db");
        let options = database::Url::Sqlite(file).into();
        let database = Database::open(&options, &Migrations::NONE).await;
        let database = database.expect("a database");
        let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
        let (host, options) = (Host::default(), broker_url.clone().into());
        let messaging = Messaging::open(&host, "catalog", &options, &topology, &database).await;
        let messaging = messaging.expect("a relay");
        Self {
            database,
            messaging,
            broker: Broker::open(&broker_url, &topology)
                .await
                .expect("a broker"),
        }
    }

    async fn tell(&self, product: &Product) {
        let mut transaction = self.database.write().await.expect("a transaction");
        let fact = Fact::ProductChanged(product.clone());
        let told = self
            .messaging
            .tell(&mut transaction, product.id.as_str(), fact);
        told.await.expect("an event");
        transaction.commit().await.expect("a commit");
    }

    /// Waits until `search` has heard all that was told: a `last` product has come through, and no event is left.
    async fn heard_by(&self, search: &Search, last: &str) {
        let product = Product {
            id: format!("p-{last}").parse().expect("an id"),
            name: last.into(),
            description: String::new(),
            ..zither()
        };
        self.tell(&product).await;
        let heard = async {
            while search.find_text(last).await.total == 0
                || self.broker.depth("search").await.expect("a depth").messages > 0
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, heard)
            .await
            .expect("all events heard");
    }
}

fn zither() -> Product {
    Product {
        id: "p-zither".parse().expect("an id"),
        version: 2,
        name: "Zither".into(),
        description: "An unplugged curiosity.".into(),
        category: "music".into(),
        price_cents: api::Cents(12_345),
    }
}

on_every_engine! {
    a_change_can_be_searched_and_an_older_or_repeated_one_changes_nothing
}

async fn a_change_can_be_searched_and_an_older_or_repeated_one_changes_nothing(search: &Search) {
    let catalog = Catalog::followed_by(search).await;
    let renamed = Product {
        version: 3,
        name: "Dulcimer".into(),
        ..zither()
    };
    catalog.tell(&zither()).await;
    catalog.heard_by(search, "ocarina").await;
    let found = search.find_text("zither").await;
    assert_eq!((found.total, found.hits[0].version), (1, 2));
    assert_eq!(search.find_text("curiosity").await.hits, found.hits);

    for product in [&renamed, &renamed, &zither()] {
        catalog.tell(product).await;
    }
    catalog.heard_by(search, "bassoon").await;
    assert_eq!(search.find_text("zither").await.total, 0);
    let found = search.find_text("dulcimer").await;
    assert_eq!((found.total, found.hits[0].version), (1, 3));
    let forgotten = search.find_text("zihter").await;
    assert_eq!(forgotten.corrections, [], "nothing has that word any more");
    let counted = search.find(&SearchQuery::default()).await;
    assert_eq!(counted.total, SEEDED + 3);
}
