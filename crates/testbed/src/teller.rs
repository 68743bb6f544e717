//! Somebody who tells a service events, and knows when it has heard them.

use api::{BROADCAST, Fact, QUEUES};
use chassis::Host;
use database::{Database, Migrations, query};
use messaging::{Broker, BrokerUrl, Messaging, Topology};

use crate::{Databases, eventually};

/// A service beside the one under test, with an outbox of its own.
#[derive(Debug)]
pub struct Teller {
    messaging: Messaging,
    database: Database,
    broker: Broker,
    _host: Host,
}

impl Teller {
    /// Tells events at the broker that is the file `broker` of `data`, and calls itself `name`.
    pub async fn open(data: &Databases, name: &'static str) -> Self {
        let url = data.file(&format!("teller-{name}"));
        let url: database::Url = url.parse().expect("a URL");
        let database = Database::open(&url.into(), &Migrations::NONE).await;
        let database = database.expect("a database");
        let broker: BrokerUrl = data.file("broker").parse().expect("a URL");
        let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
        let host = Host::default();
        let options = broker.clone().into();
        let messaging = Messaging::open(&host, name, &options, &topology, &database).await;
        Self {
            messaging: messaging.expect("events"),
            database,
            broker: Broker::open(&broker, &topology).await.expect("the broker"),
            _host: host,
        }
    }

    /// Tells `fact` about `subject`.
    pub async fn tell(&self, subject: &str, fact: Fact) {
        let mut transaction = self.database.write().await.expect("a transaction");
        let told = self.messaging.tell(&mut transaction, subject, fact).await;
        told.expect("it is written down");
        transaction.commit().await.expect("it is committed");
    }

    /// Waits until everything is told and nothing is left in `queue`.
    pub async fn heard_by(&self, queue: &str) {
        let heard = async || {
            let outbox: i64 = query("SELECT count(*) FROM outbox")
                .fetch_value(self.database.readers())
                .await
                .expect("the outbox");
            let depth = self.broker.depth(queue).await.expect("the queue");
            outbox + depth.messages == 0
        };
        eventually("everything is heard", heard).await;
    }

    /// The broker, to look into its queues.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }
}
