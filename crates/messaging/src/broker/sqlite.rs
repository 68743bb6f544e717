//! Durable queues in one `SQLite` file that the services of one machine share.
//!
//! Every write takes the database's lock file first (see [`SqliteDatabase`]), so that nobody starves however many processes
//! publish and consume.

mod overhear;

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use chassis::{Error, now_ms};
use database::{Database, SqliteDatabase, unobserved};
use sqlx::migrate::Migrator;

pub(super) use self::overhear::Overhearing;
use super::{DeadLetter, Delivery, Depth, LEASE, Settlement};
use crate::{Event, Topology};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/broker");

/// Every queue; cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Queues(SqliteDatabase, Topology);

impl Queues {
    pub(super) async fn open(path: &Path, topology: &Topology) -> anyhow::Result<Self> {
        let database = SqliteDatabase::open(path, &MIGRATIONS).await?;
        Ok(Self(database, topology.clone()))
    }

    pub(super) async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
        for event in events {
            let body = serde_json::to_string(event).context("serialize an event")?;
            for queue in self.1.listeners(&event.kind) {
                unobserved(
                    "INSERT INTO messages (queue, event_id, body, visible_at) VALUES ($1, $2, $3, $4)",
                )
                .bind(queue.name)
                .bind(&event.id)
                .bind(&body)
                .bind(now_ms())
                .execute(&mut transaction)
                .await?;
            }
            if self.1.broadcast.contains(&event.kind.as_str()) {
                overhear::broadcast(&mut transaction, &body).await?;
            }
        }
        transaction.commit().await
    }

    pub(super) async fn claim(&self, queue: &str, limit: usize) -> Result<Vec<Delivery>, Error> {
        // Readers wait for nobody: only who has seen something to claim asks for the lock.
        let something: bool = unobserved(
            "SELECT EXISTS (SELECT 1 FROM messages WHERE queue = $1 AND visible_at <= $2)",
        )
        .bind(queue)
        .bind(now_ms())
        .fetch_value(&self.0)
        .await?;
        if !something {
            return Ok(Vec::new());
        }
        let mut transaction = self.0.write().await?;
        let mut claimed: Vec<Delivery> = unobserved(
            "UPDATE messages SET attempts = attempts + 1, visible_at = $1
             WHERE seq IN (SELECT seq FROM messages WHERE queue = $2 AND visible_at <= $3 ORDER BY visible_at, seq LIMIT $4)
             RETURNING seq, event_id, body, attempts",
        )
        .bind(after(LEASE))
        .bind(queue)
        .bind(now_ms())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut transaction)
        .await?;
        transaction.commit().await?;
        claimed.sort_by_key(|it| it.seq);
        Ok(claimed)
    }

    pub(super) async fn settle(
        &self,
        delivery: &Delivery,
        settlement: Settlement,
    ) -> Result<(), Error> {
        // `attempts` tells whether the delivery is still ours: it has grown if somebody claimed the message after us.
        let query = |sql: &'static str| unobserved(sql).bind(delivery.seq).bind(delivery.attempt);
        let mut transaction = self.0.write().await?;
        if let Settlement::Dead(reason) = settlement {
            let keep = query(
                "INSERT INTO dead_letters (seq, queue, event_id, body, attempts, reason, died_at)
                 SELECT seq, queue, event_id, body, attempts, $3, $4 FROM messages WHERE seq = $1 AND attempts = $2",
            );
            let keep = keep.bind(reason).bind(now_ms());
            keep.execute(&mut transaction).await?;
        }
        let query = match settlement {
            Settlement::Done | Settlement::Dead(_) => {
                query("DELETE FROM messages WHERE seq = $1 AND attempts = $2")
            }
            Settlement::Retry(wait) => {
                query("UPDATE messages SET visible_at = $3 WHERE seq = $1 AND attempts = $2")
                    .bind(after(wait))
            }
            Settlement::Postpone(wait) => query(
                "UPDATE messages SET attempts = attempts - 1, visible_at = $3 WHERE seq = $1 AND attempts = $2",
            )
            .bind(after(wait)),
        };
        query.execute(&mut transaction).await?;
        transaction.commit().await
    }

    pub(super) async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        let counts = unobserved(
            "SELECT (SELECT count(*) FROM messages WHERE queue = $1), (SELECT count(*) FROM dead_letters WHERE queue = $1)",
        )
        .bind(queue)
        .fetch_optional(&self.0)
        .await?;
        let (messages, dead_letters) = counts.expect("counting always gives a row");
        Ok(Depth {
            messages,
            dead_letters,
        })
    }

    pub(super) async fn dead_letters(&self, queue: &str) -> Result<Vec<DeadLetter>, Error> {
        let letters = unobserved(
            "SELECT event_id, attempts, reason, died_at FROM dead_letters WHERE queue = $1 ORDER BY died_at DESC LIMIT 100",
        );
        letters.bind(queue).fetch_all(&self.0).await
    }

    pub(super) async fn replay_dead_letters(&self, queue: &str) -> Result<u64, Error> {
        let mut transaction = self.0.write().await?;
        unobserved(
            "INSERT INTO messages (queue, event_id, body, visible_at)
             SELECT queue, event_id, body, $2 FROM dead_letters WHERE queue = $1 ORDER BY seq",
        )
        .bind(queue)
        .bind(now_ms())
        .execute(&mut transaction)
        .await?;
        let gone = unobserved("DELETE FROM dead_letters WHERE queue = $1")
            .bind(queue)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(gone)
    }

    pub(super) async fn ping(self) -> Result<(), String> {
        Database::from(self.0).ping().await
    }
}

/// Milliseconds since 1970, `wait` from now.
fn after(wait: Duration) -> i64 {
    now_ms().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}
