//! Events told and heard exactly once in effect, whatever dies meanwhile.
//!
//! A service writes an event into its outbox in the transaction that makes it true; a relay hands it to the broker, at
//! least once. A consumer writes the event's id into its inbox in the transaction of its effect, so that a second delivery
//! finds it there and does nothing ("transactional outbox" and "idempotent consumer", <https://microservices.io/patterns>).

mod broker;
mod consumer;
mod overhear;
mod relay;
mod subscription;

use std::sync::{Arc, LazyLock};

pub use broker::{AmqpUrl, Broker, BrokerUrl, DeadLetter, Depth, KafkaUrl, Overheard};
use chassis::{Error, Host, new_id, now_ms, rfc3339};
use database::{Database, Executor, Migrations, Transaction, query, unobserved};

use anyhow::Context as _;
use api::{Event, Fact};
use prometheus_client::metrics::gauge::Gauge;
pub use subscription::Subscription;
use telemetry::{Origin, names};
use tokio::sync::Notify;

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
    let help = "Events that are committed and not yet handed to the broker";
    telemetry::register(names::MESSAGING_OUTBOX_MESSAGES, help, Gauge::default())
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
        database: &Database,
    ) -> anyhow::Result<Self> {
        database
            .migrate(&MIGRATIONS)
            .await
            .context("make the outbox and the inbox")?;
        let it = Self {
            subscription: Subscription::open(host, service, options).await?,
            database: database.clone(),
            told: Arc::default(),
        };
        let gauge = it.clone();
        host.gauge(move || gauge.clone().refresh_outbox());
        let relay = it.clone();
        host.spawn("outbox relay", move |stop| relay.relay(stop));
        Ok(it)
    }

    /// Tells `fact` about `subject` to whoever listens, once `transaction` is committed and not before. It follows from the
    /// request or event that the current task works for.
    pub async fn tell(
        &self,
        transaction: &mut Transaction,
        subject: &str,
        fact: Fact,
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
        fact: Fact,
    ) -> Result<(), Error> {
        let event = Event {
            specversion: "1.0".to_owned(),
            id: new_id("e"),
            source: format!("/{}", self.subscription.service),
            subject: subject.to_owned(),
            time: rfc3339(now_ms()),
            traceparent: origin.traceparent,
            tracestate: origin.tracestate,
            requestid: origin.request_id,
            fact,
        };
        let body = serde_json::to_string(&event).context("write an event as JSON")?;
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

    async fn refresh_outbox(self) {
        let count = unobserved("SELECT count(*) FROM outbox").fetch_value(self.database.readers());
        match count.await {
            Ok(count) => _ = OUTBOX.set(count),
            Err(error) => tracing::warn!(%error, "the outbox was not counted"),
        }
    }
}

#[cfg(test)]
mod tests;
