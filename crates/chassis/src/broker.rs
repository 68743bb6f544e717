//! The broker that carries events between services, chosen by URL.
//!
//! Whatever its kind: an event is put into every queue that its type is bound to ([`api::QUEUES`]); the replicas of a service
//! share its queue; a delivery that is not settled comes again; one that failed too often becomes a dead letter.

mod sqlite;

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use api::Event;
use serde::Serialize;

use crate::{
    Error,
    config::{path_of, scheme},
};

/// A delivery that is not settled by then comes again, to any replica: its consumer has died.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// Which broker, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerUrl {
    /// `sqlite:PATH`: a file, made when missing, that all services of one machine share.
    Sqlite(PathBuf),
}

impl FromStr for BrokerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = match scheme(text) {
            ("sqlite", rest) => path_of(rest).map(Self::Sqlite),
            _ => None,
        };
        url.ok_or_else(|| format!("expected sqlite:PATH, found {text:?}"))
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

/// A connection to the broker; cloning shares it.
#[derive(Debug, Clone)]
pub enum Broker {
    /// A durable queue in a file.
    Sqlite(sqlite::Queues),
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

/// How much is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Waiting or being processed.
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
    /// A broker that cannot be reached, or a file that cannot be opened.
    pub async fn open(url: &BrokerUrl) -> anyhow::Result<Self> {
        let BrokerUrl::Sqlite(path) = url;
        Ok(Self::Sqlite(sqlite::Queues::open(path).await?))
    }

    /// What `messaging.system` calls it.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// Puts `events` into the queues they belong to. When it returns, they are there to stay.
    pub(crate) async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let Self::Sqlite(queues) = self;
        queues.publish(events).await
    }

    /// Up to `limit` deliveries from `queue`, the oldest first; none if nothing waits.
    pub(crate) async fn claim(&self, queue: &str, limit: usize) -> Result<Vec<Delivery>, Error> {
        let Self::Sqlite(queues) = self;
        queues.claim(queue, limit).await
    }

    /// Ends a delivery. One whose lease has run out belongs to somebody else and is left alone.
    pub(crate) async fn settle(
        &self,
        delivery: &Delivery,
        settlement: Settlement,
    ) -> Result<(), Error> {
        let Self::Sqlite(queues) = self;
        queues.settle(delivery, settlement).await
    }

    /// How much is in `queue`.
    pub async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        let Self::Sqlite(queues) = self;
        queues.depth(queue).await
    }

    /// The newest hundred dead letters of `queue`.
    pub async fn dead_letters(&self, queue: &str) -> Result<Vec<DeadLetter>, Error> {
        let Self::Sqlite(queues) = self;
        queues.dead_letters(queue).await
    }

    /// Puts every dead letter of `queue` back into it and says how many there were.
    pub async fn replay_dead_letters(&self, queue: &str) -> Result<u64, Error> {
        let Self::Sqlite(queues) = self;
        queues.replay_dead_letters(queue).await
    }

    /// A readiness check: whether the broker answers.
    pub async fn ping(self) -> Result<(), String> {
        let Self::Sqlite(queues) = self;
        queues.ping().await
    }
}

#[cfg(test)]
mod tests;
