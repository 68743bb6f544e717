//! The broker that carries events between services, chosen by URL.
//!
//! Whatever its kind: an event is put into every queue that its type is bound to ([`Topology`]); the replicas of a service
//! share its queue; a delivery that is not settled comes again; one that failed too often becomes a dead letter.
//!
//! Beside that, what is of a type that is broadcast may be overheard by whoever listens just then.

mod back_off;
#[cfg(feature = "kafka")]
mod kafka;
mod kafka_url;
mod rabbit;
mod sqlite;

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use chassis::{
    Error,
    url::{path, scheme},
};
pub use kafka_url::KafkaUrl;
pub use rabbit::AmqpUrl;
use serde::Serialize;

use crate::{Event, Topology};

/// Deliveries one process handles at once, and the most a server sends it ahead.
pub const PREFETCH: u16 = 16;
/// A delivery that is not settled by then comes again, to any replica: its consumer has died.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// The longest a delivery is kept by who cannot put it aside because the server takes no messages.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The wait between attempts at something a server did not do.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest a readiness check of a server may take: it is given up after a second.
const PING_TIMEOUT: Duration = Duration::from_millis(800);

/// Which broker, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerUrl {
    /// `sqlite:PATH`: a file, made when missing, that all services of one machine share.
    Sqlite(PathBuf),
    /// `amqp://USER:PASSWORD@HOST:PORT/VHOST?exchange=NAME`: a `RabbitMQ` server.
    Rabbit(AmqpUrl),
    /// `kafka://HOST:PORT,HOST:PORT…?topics=PREFIX`: Kafka, in a build with the feature `kafka`.
    Kafka(KafkaUrl),
}

impl FromStr for BrokerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = match scheme(text) {
            ("sqlite", rest) => path(rest).map(Self::Sqlite),
            ("amqp" | "amqps", _) => Some(Self::Rabbit(text.parse()?)),
            ("kafka", _) => Some(Self::Kafka(text.parse()?)),
            _ => None,
        };
        // The text is not repeated: there may be a password in it.
        url.ok_or_else(|| "expected sqlite:PATH, amqp://HOST or kafka://HOST:PORT".to_owned())
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Rabbit(url) => url.fmt(f),
            Self::Kafka(url) => url.fmt(f),
        }
    }
}

/// A connection to the broker; cloning shares it.
#[derive(Debug, Clone)]
pub enum Broker {
    /// A durable queue in a file.
    Sqlite(sqlite::Queues),
    /// A `RabbitMQ` server.
    Rabbit(rabbit::Queues),
    /// Kafka.
    #[cfg(feature = "kafka")]
    Kafka(kafka::Queues),
}

/// An event as it came from a queue, for the `attempt`-th time.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Delivery {
    /// Names it at the broker.
    pub(crate) seq: i64,
    pub(crate) event_id: String,
    pub(crate) body: String,
    #[sqlx(rename = "attempts")]
    pub(crate) attempt: i64,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Its effect is committed.
    Done,
    /// It failed: again after so long.
    Retry(Duration),
    /// Something it needs is away: again after so long, and this try does not count.
    Postpone(Duration),
    /// It failed for the last time, for this reason.
    Dead(&'static str),
}

/// How many overheard events may wait to be looked at. Who is further behind is told that it missed something.
const OVERHEARD_AHEAD: usize = 256;

/// What is overheard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overheard {
    /// Something happened.
    Event(Box<Event>),
    /// Listening began, or began again: whatever happened before may have been missed.
    Gap,
}

impl Overheard {
    /// An event that cannot be read might as well not have been heard.
    fn read(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(event) => Self::Event(Box::new(event)),
            Err(error) => {
                tracing::error!(%error, "broadcast event malformed");
                Self::Gap
            }
        }
    }
}

/// Who listens to what is broadcast. Nothing is kept for it while it does not.
#[derive(Debug)]
pub(crate) enum Overhearing {
    Sqlite(sqlite::Overhearing),
    Rabbit(rabbit::Overhearing),
    #[cfg(feature = "kafka")]
    Kafka(kafka::Overhearing),
}

impl Overhearing {
    /// What is overheard next; at first a [`Overheard::Gap`]. A broker that is away is waited for.
    pub(crate) async fn next(&mut self) -> Overheard {
        match self {
            Self::Sqlite(it) => it.next().await,
            Self::Rabbit(it) => it.next().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(it) => it.next().await,
        }
    }
}

/// How much is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Waiting or being processed. A server does not tell what other processes hold; each of them counts its own.
    pub messages: i64,
    /// Given up.
    pub dead_letters: i64,
}

/// An event that was given up. Its body stays with the broker: it may hold what nobody should read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct DeadLetter {
    /// Which event.
    pub event_id: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Why the last try failed, in one word.
    pub reason: String,
    /// Milliseconds since 1970.
    pub died_at: i64,
}

impl Broker {
    /// Connects, and declares every queue.
    ///
    /// # Errors
    /// A file that cannot be opened, a kind that is not built in. A server that cannot be reached is no error: it is asked again, and
    /// [`Broker::ping`] fails until it answers.
    pub async fn open(url: &BrokerUrl, topology: &Topology) -> anyhow::Result<Self> {
        Ok(match url {
            BrokerUrl::Sqlite(path) => Self::Sqlite(sqlite::Queues::open(path, topology).await?),
            BrokerUrl::Rabbit(url) => Self::Rabbit(rabbit::Queues::open(url, topology).await),
            #[cfg(feature = "kafka")]
            BrokerUrl::Kafka(url) => Self::Kafka(kafka::Queues::open(url, topology).await?),
            #[cfg(not(feature = "kafka"))]
            BrokerUrl::Kafka(_) => {
                anyhow::bail!("this build has no Kafka client: build with --features kafka")
            }
        })
    }

    /// What `messaging.system` calls it.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Rabbit(_) => "rabbitmq",
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => "kafka",
        }
    }

    /// Puts `events` into the queues they belong to. When it returns, they are there to stay.
    pub(crate) async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        match self {
            Self::Sqlite(queues) => queues.publish(events).await,
            Self::Rabbit(queues) => queues.publish(events).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.publish(events).await,
        }
    }

    /// Listens to every event of what is broadcast that is published from now on, through whichever process.
    pub(crate) fn overhear(&self) -> Overhearing {
        match self {
            Self::Sqlite(queues) => Overhearing::Sqlite(queues.overhear()),
            Self::Rabbit(queues) => Overhearing::Rabbit(queues.overhear()),
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => Overhearing::Kafka(queues.overhear()),
        }
    }

    /// Up to `limit` deliveries from `queue`, the oldest first; none if nothing waits.
    pub(crate) async fn claim(&self, queue: &str, limit: usize) -> Result<Vec<Delivery>, Error> {
        match self {
            Self::Sqlite(queues) => queues.claim(queue, limit).await,
            Self::Rabbit(queues) => queues.claim(queue, limit).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.claim(queue, limit).await,
        }
    }

    /// Waits until something may be claimed from `queue`, but no longer than `limit`.
    pub(crate) async fn wait(&self, queue: &str, limit: Duration) {
        match self {
            Self::Sqlite(_) => tokio::time::sleep(limit).await,
            Self::Rabbit(queues) => queues.wait(queue, limit).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.wait(queue, limit).await,
        }
    }

    /// This process will not claim from `queue` any more; what it has claimed it may still settle.
    pub(crate) async fn leave(&self, queue: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Rabbit(queues) => queues.leave(queue).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.leave(queue).await,
        }
    }

    /// Ends a delivery. One whose lease has run out belongs to somebody else and is left alone.
    pub(crate) async fn settle(
        &self,
        delivery: &Delivery,
        settlement: Settlement,
    ) -> Result<(), Error> {
        match self {
            Self::Sqlite(queues) => queues.settle(delivery, settlement).await,
            Self::Rabbit(queues) => queues.settle(delivery, settlement).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.settle(delivery, settlement).await,
        }
    }

    /// How much is in `queue`.
    pub async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        match self {
            Self::Sqlite(queues) => queues.depth(queue).await,
            Self::Rabbit(queues) => queues.depth(queue).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.depth(queue).await,
        }
    }

    /// The newest hundred dead letters of `queue`.
    pub async fn dead_letters(&self, queue: &str) -> Result<Vec<DeadLetter>, Error> {
        match self {
            Self::Sqlite(queues) => queues.dead_letters(queue).await,
            Self::Rabbit(queues) => queues.dead_letters(queue).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.dead_letters(queue).await,
        }
    }

    /// Puts every dead letter of `queue` back into it and says how many there were.
    pub async fn replay_dead_letters(&self, queue: &str) -> Result<u64, Error> {
        match self {
            Self::Sqlite(queues) => queues.replay_dead_letters(queue).await,
            Self::Rabbit(queues) => queues.replay_dead_letters(queue).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.replay_dead_letters(queue).await,
        }
    }

    /// Takes away every queue at a server, with all that is in it; a file is left to whoever named it.
    pub async fn remove(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Rabbit(queues) => queues.remove().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.remove().await,
        }
    }

    /// A readiness check: whether the broker answers.
    pub async fn ping(self) -> Result<(), String> {
        match self {
            Self::Sqlite(queues) => queues.ping().await,
            Self::Rabbit(queues) => queues.ping().await,
            #[cfg(feature = "kafka")]
            Self::Kafka(queues) => queues.ping().await,
        }
    }
}

#[cfg(test)]
pub(crate) mod place;
#[cfg(test)]
mod tests;
