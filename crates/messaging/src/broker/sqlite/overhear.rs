//! What all processes may overhear: a table of the last minute, which each of them reads from where it left off.

use std::time::Duration;

use chassis::{Error, now_ms};
use database::{SqliteTransaction, unobserved};
use tokio::time::sleep;

use super::Queues;
use crate::broker::{OVERHEARD_AHEAD, Overheard};

/// How long an event stays, in milliseconds. Whoever does not look for so long sees that numbers are missing.
const AGE_MS: i64 = 60_000;
/// How often the table is looked at, which is one step in its index.
const POLL: Duration = Duration::from_millis(50);
/// The wait after a look that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Lets every process overhear an event, once `transaction` is committed.
pub(super) async fn broadcast(
    transaction: &mut SqliteTransaction,
    body: &str,
) -> Result<(), Error> {
    let now = now_ms();
    unobserved("INSERT INTO broadcast (body, told_at) VALUES ($1, $2)")
        .bind(body)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
    unobserved("DELETE FROM broadcast WHERE told_at < $1")
        .bind(now - AGE_MS)
        .execute(&mut *transaction)
        .await?;
    Ok(())
}

/// Who listens, and how far it has come.
#[derive(Debug)]
pub(crate) struct Overhearing {
    queues: Queues,
    /// The last number that was seen; none before the first look.
    seen: Option<i64>,
    /// What was read and not yet told, the newest first.
    ahead: Vec<(i64, String)>,
}

impl Queues {
    pub(in crate::broker) fn overhear(&self) -> Overhearing {
        Overhearing {
            queues: self.clone(),
            seen: None,
            ahead: Vec::new(),
        }
    }
}

impl Overhearing {
    pub(in crate::broker) async fn next(&mut self) -> Overheard {
        loop {
            if let Some((seq, body)) = self.ahead.pop() {
                self.seen = Some(seq);
                return Overheard::read(body.as_bytes());
            }
            match self.look().await {
                Ok(true) => return Overheard::Gap,
                Ok(false) if self.ahead.is_empty() => sleep(POLL).await,
                Ok(false) => (),
                Err(error) => {
                    tracing::warn!(%error, "broadcasts unavailable; retrying");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Reads on. True, if something was missed; then it goes on from the end.
    async fn look(&mut self) -> Result<bool, Error> {
        let readers = &self.queues.0;
        if let Some(seen) = self.seen {
            let limit = OVERHEARD_AHEAD + 1;
            self.ahead =
                unobserved("SELECT seq, body FROM broadcast WHERE seq > $1 ORDER BY seq LIMIT $2")
                    .bind(seen)
                    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                    .fetch_all(readers)
                    .await?;
            let whole = self.ahead.first().is_none_or(|it| it.0 == seen + 1);
            if whole && self.ahead.len() < limit {
                self.ahead.reverse();
                return Ok(false);
            }
            self.ahead.clear();
        }
        let last = unobserved("SELECT coalesce(max(seq), 0) FROM broadcast");
        self.seen = Some(last.fetch_value(readers).await?);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{
        Broker,
        place::{Place, event},
        tests::overhear::{changed, listen, next},
    };

    async fn age(queues: &Queues) {
        let mut transaction = queues.0.write().await.unwrap();
        sqlx::query("UPDATE broadcast SET told_at = told_at - 2 * $1")
            .bind(AGE_MS)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    async fn kept(queues: &Queues) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM broadcast");
        count.fetch_one(queues.0.readers()).await.unwrap()
    }

    #[tokio::test]
    async fn old_events_go_and_who_has_not_read_them_is_told_so() {
        let place = Place::sqlite().await;
        let broker = place.open().await;
        let Broker::Sqlite(queues) = &broker else {
            unreachable!("it is SQLite's place");
        };
        let mut ear = listen(&broker).await;
        broker.publish(&[changed(), changed()]).await.unwrap();
        age(queues).await;
        let newest = changed();
        broker.publish(std::slice::from_ref(&newest)).await.unwrap();
        assert_eq!(kept(queues).await, 1);
        assert_eq!(next(&mut ear).await, Overheard::Gap);
        let after = changed();
        broker.publish(std::slice::from_ref(&after)).await.unwrap();
        assert_eq!(next(&mut ear).await, Overheard::Event(Box::new(after)));
    }

    #[tokio::test]
    async fn what_is_not_broadcast_is_not_kept_for_those_who_overhear() {
        let place = Place::sqlite().await;
        let broker = place.open().await;
        let Broker::Sqlite(queues) = &broker else {
            unreachable!("it is SQLite's place");
        };
        broker.publish(&[event("order.cancelled")]).await.unwrap();
        assert_eq!(kept(queues).await, 0);
    }
}
