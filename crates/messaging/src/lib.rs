//! Events told and heard exactly once in effect, whatever dies meanwhile: "transactional outbox" and "idempotent consumer"
//! (<https://microservices.io/patterns>).
//!
//! A service writes an event into its outbox in the transaction that makes it true; a relay hands it to the broker, at
//! least once. A consumer writes the event's id into its inbox in the transaction of its effect, so that a second delivery
//! finds it there and does nothing. The broker is a file, `RabbitMQ` or Kafka, chosen by URL; README.md says how each works.
//!
//! **Use it** where a change in one service must lead to one in another, and neither may be lost or done twice. **Do not use it** where
//! the caller needs the answer now (ask the other service), or for streams that are read again from the beginning: what is
//! processed is deleted; Kafka keeps it for a week, but nothing here reads it again.
//!
//! ```
//! use chassis::Host;
//! use database::{Database, Migrations};
//! use messaging::{BrokerUrl, Event, Messaging, Topology};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type", content = "data")]
//! enum Fact {
//!     #[serde(rename = "order.placed")]
//!     Placed { cents: i64 },
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! # let directory = tempfile::tempdir()?;
//! # let at = |name: &str| database::Url::Sqlite(directory.path().join(name));
//! # let database = Database::open(&at("orders.db").into(), &Migrations::NONE).await?;
//! // Payments hears of placed orders; nothing is broadcast.
//! let topology = Topology::new(&["order.placed"], [("payments", &["order.placed"][..])], &[]);
//! // Or amqp://HOST or kafka://HOST:PORT.
//! let broker = BrokerUrl::Sqlite(directory.path().join("broker.db")).into();
//! let host = Host::default(); // chassis::run hands it to a service.
//! let orders = Messaging::open(&host, "orders", &broker, &topology, &database).await?;
//! # let database_of_payments = Database::open(&at("payments.db").into(), &Migrations::NONE).await?;
//! let payments = Messaging::open(&host, "payments", &broker, &topology, &database_of_payments).await?;
//!
//! let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
//! let inbox = payments.clone();
//! payments.consume(&host, move |event: Event| {
//!     let (heard, inbox, database) = (heard.clone(), inbox.clone(), database_of_payments.clone());
//!     async move {
//!         let mut transaction = database.write().await?;
//!         if inbox.is_new(&mut transaction, &event).await? {
//!             let Fact::Placed { cents } = event.read()?;
//!             heard.send((event.subject, cents)).ok();
//!         }
//!         transaction.commit().await
//!     }
//! });
//!
//! let mut transaction = database.write().await?;
//! orders.tell(&mut transaction, "o-1", Fact::Placed { cents: 500 }).await?;
//! transaction.commit().await?;
//! assert_eq!(hears.recv().await, Some(("o-1".to_owned(), 500)));
//! # Ok(())
//! # }
//! ```
//!
//! **It costs** two writes to the database more for each event, lapin, with the feature `kafka` librdkafka (a C++ compiler and half a minute),
//! and the crates `database`, `chassis` and `telemetry`.

mod broker;
mod consumer;
mod event;
mod overhear;
mod relay;
mod subscription;
mod topology;
mod under_way;

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

pub use broker::{AmqpUrl, Broker, BrokerUrl, DeadLetter, Depth, KafkaUrl, Overheard, PREFETCH};
use chassis::{Error, Host, from_rfc3339, now_ms};
use database::{Database, Executor, Migrations, Transaction, query, unobserved};
pub use event::Event;

use anyhow::Context as _;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;
pub use subscription::Subscription;
use telemetry::{Origin, names};
use tokio::sync::Notify;
pub use topology::{Queue, Topology};

static MIGRATIONS: LazyLock<Migrations> = LazyLock::new(|| {
    let mut migrations = Migrations {
        sqlite: sqlx::migrate!("migrations/sqlite"),
        postgres: sqlx::migrate!("migrations/postgres"),
    };
    for it in [&mut migrations.sqlite, &mut migrations.postgres] {
        // The service's own migrations have the usual table.
        it.dangerous_set_table_name("_messaging_migrations");
    }
    migrations
});

static OUTBOX: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Committed events that are not yet published to the broker";
    telemetry::register(names::MESSAGING_OUTBOX_MESSAGES, help, Gauge::default())
});

static OUTBOX_OLDEST: LazyLock<Gauge<f64, AtomicU64>> = LazyLock::new(|| {
    let help = "Time since the oldest event that is not yet published to the broker happened";
    telemetry::register(names::MESSAGING_OUTBOX_OLDEST_AGE, help, Gauge::default())
});

/// The broker that carries a service's events; flatten it into the service's `Config`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "messaging")]
pub struct Options {
    /// Where events come from and go to: sqlite:PATH, amqp://USER:PASSWORD@HOST:PORT/VHOST or kafka://HOST:PORT
    #[arg(
        id = "broker_url",
        long = "broker-url",
        env = "BROKER_URL",
        hide_env_values = true,
        default_value = "sqlite:broker.db",
        help_heading = "Messaging",
        value_name = "URL"
    )]
    pub url: BrokerUrl,
}

/// The broker at `url`.
impl From<BrokerUrl> for Options {
    fn from(url: BrokerUrl) -> Self {
        Self { url }
    }
}

/// A service's way to tell and hear events; cloning shares it.
#[derive(Debug, Clone)]
pub struct Messaging {
    subscription: Subscription,
    database: Database,
    /// Something was just told.
    told: Arc<Notify>,
    /// What this one adds to the gauge of the process, which may have several.
    in_outbox: Arc<AtomicI64>,
}

impl Messaging {
    /// Connects `service` to the broker, makes outbox and inbox in its `database`, and begins to hand over what is
    /// in the outbox.
    ///
    /// # Errors
    /// A broker or a database that cannot be opened.
    pub async fn open(
        host: &Host,
        service: &'static str,
        options: &Options,
        topology: &Topology,
        database: &Database,
    ) -> anyhow::Result<Self> {
        database
            .migrate(&MIGRATIONS)
            .await
            .context("create the outbox and inbox tables")?;
        let it = Self {
            subscription: Subscription::open(host, service, options, topology).await?,
            database: database.clone(),
            told: Arc::default(),
            in_outbox: Arc::default(),
        };
        let gauge = it.clone();
        host.gauge(move || gauge.clone().refresh_outbox());
        let relay = it.clone();
        host.spawn("outbox relay", move |stop| relay.relay(stop));
        Ok(it)
    }

    /// Tells `fact` about `subject` to whoever listens, once `transaction` is committed and not before. It is written as an
    /// object of `type` and `data`, see [`Event::read`], and follows from the request or event that the current task works for.
    pub async fn tell(
        &self,
        transaction: &mut Transaction,
        subject: &str,
        fact: impl Serialize,
    ) -> Result<(), Error> {
        let origin = Origin::current();
        self.tell_from(origin, transaction, subject, fact).await
    }

    /// The same for a fact that follows from what `origin` says.
    pub async fn tell_from(
        &self,
        origin: Origin,
        transaction: &mut Transaction,
        subject: &str,
        fact: impl Serialize,
    ) -> Result<(), Error> {
        let event = Event::new(self.subscription.service, subject, origin, fact)?;
        let known = self
            .subscription
            .topology
            .types
            .contains(&event.kind.as_str());
        if !known {
            let kind = &event.kind;
            return Err(Error::Internal(anyhow::anyhow!(
                "there are no events of type {kind}"
            )));
        }
        let body = serde_json::to_string(&event).context("serialize an event")?;
        query("INSERT INTO outbox (body) VALUES ($1)")
            .bind(body)
            .execute(transaction)
            .await?;
        self.told.notify_one();
        Ok(())
    }

    /// Gives every event in this service's queue to `handle`, as [`Subscription::consume`] does. `handle` asks
    /// [`Messaging::is_new`] in the transaction of its effect.
    pub fn consume<F, R>(&self, host: &Host, handle: F)
    where
        F: Fn(Event) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.subscription.consume(host, handle);
    }

    /// Whether `event` is new to this service, which it is not any more once `transaction` is committed. Another transaction
    /// that has asked the same and is not over yet is waited for.
    pub async fn is_new(
        &self,
        transaction: impl Into<Executor<'_>>,
        event: &Event,
    ) -> Result<bool, Error> {
        let inserted = query(
            "INSERT INTO inbox (event_id, processed_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(&event.id)
        .bind(now_ms())
        .execute(transaction)
        .await?;
        Ok(inserted == 1)
    }

    /// How many events that this process has begun and not done happened longer ago than `limit`, see [`Subscription::overdue`].
    pub fn overdue(&self, limit: Duration) -> usize {
        self.subscription.overdue(limit)
    }

    async fn refresh_outbox(self) {
        let outbox = async {
            let count = unobserved("SELECT count(*) FROM outbox");
            let count: i64 = count.fetch_value(self.database.readers()).await?;
            Ok::<_, Error>((count, self.oldest_in_outbox().await?))
        };
        match outbox.await {
            Ok((count, age)) => {
                OUTBOX.inc_by(count - self.in_outbox.swap(count, Relaxed));
                OUTBOX_OLDEST.set(age.as_secs_f64());
            }
            Err(error) => tracing::warn!(%error, "outbox size unknown"),
        }
    }

    /// How long ago the oldest event in the outbox happened; no time if it is empty, or if that event cannot be read.
    async fn oldest_in_outbox(&self) -> Result<Duration, Error> {
        let oldest: Option<(String,)> = unobserved("SELECT body FROM outbox ORDER BY seq LIMIT 1")
            .fetch_optional(self.database.readers())
            .await?;
        let event = oldest.and_then(|(body,)| serde_json::from_str::<Event>(&body).ok());
        let happened = event.and_then(|it| from_rfc3339(&it.time));
        let age = happened.map_or(0, |it| now_ms() - it);
        Ok(Duration::from_millis(age.try_into().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests;
