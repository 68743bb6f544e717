//! From the outbox to the broker.

use std::time::Duration;

use chassis::{Error, now_ms};
use database::{query, round, unobserved};
use telemetry::{Origin, Sending};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Event, Messaging};

/// Events handed over at once.
const BATCH: i64 = 256;
/// A replica that claimed events and died has them taken over after this, in milliseconds.
const CLAIM_MS: i64 = 5_000;
/// How often the outbox is looked at: another replica, or a process that was killed, may have left something there.
const IDLE: Duration = Duration::from_millis(250);
/// A commit follows what announces it by about this.
const SOON: Duration = Duration::from_millis(2);
/// How long to look closely after something was told.
const ACTIVE: Duration = Duration::from_millis(200);
/// The wait after a broker or database that did not do it.
const PAUSE: Duration = Duration::from_millis(500);
/// Ids older than this leave the inbox, in milliseconds; no broker delivers an event again after a week.
const INBOX_AGE_MS: i64 = 7 * 24 * 3600 * 1000;
/// How often old ids are looked for, ...
const CLEAN_EVERY: Duration = Duration::from_secs(10);
/// ... and how many leave at once: nobody can write meanwhile.
const CLEAN_BATCH: i64 = 5_000;

impl Messaging {
    /// Hands over what the outbox holds, until `stop` and then once more.
    pub(super) async fn relay(self, stop: CancellationToken) {
        let mut active_until = Instant::now();
        let mut cleaned = Instant::now();
        loop {
            let last = stop.is_cancelled();
            let wait = match round(self.hand_over()).await {
                Ok(0) if Instant::now() < active_until => SOON,
                Ok(0) => IDLE,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!(%error, "outbox relay failed; retrying");
                    PAUSE
                }
            };
            if last && !wait.is_zero() {
                return;
            }
            if cleaned.elapsed() > CLEAN_EVERY {
                if let Err(error) = round(self.clean_inbox()).await {
                    tracing::warn!(%error, "inbox cleanup failed; retrying");
                }
                cleaned = Instant::now();
            }
            tokio::select! {
                told = timeout(wait, self.told.notified()) => if told.is_ok() {
                    active_until = Instant::now() + ACTIVE;
                    sleep(SOON).await;
                },
                () = stop.cancelled() => (),
            }
        }
    }

    /// Hands one batch over and says how many there were. An event that cannot be read stays where it is, and is looked at
    /// again and again: the outbox is never empty until somebody cares for it, but nothing else waits for that.
    async fn hand_over(&self) -> Result<usize, Error> {
        let claimed = self.claim_outbox().await?;
        let system = self.subscription.broker.system();
        let (mut events, mut sending, mut handed_over) = (Vec::new(), Vec::new(), Vec::new());
        for (seq, body) in &claimed {
            let mut event: Event = match serde_json::from_str(body) {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(seq, %error, "outbox event malformed");
                    continue;
                }
            };
            let origin = Origin {
                traceparent: event.traceparent.take(),
                tracestate: event.tracestate.take(),
                request_id: event.requestid.take(),
            };
            let send = Sending::start(system, &event.kind, &event.id, &origin);
            let origin = send.origin();
            event.traceparent = origin.traceparent;
            event.tracestate = origin.tracestate;
            event.requestid = origin.request_id;
            events.push(event);
            sending.push(send);
            handed_over.push(*seq);
        }
        if !events.is_empty() {
            self.subscription.broker.publish(&events).await?;
            sending.into_iter().for_each(Sending::finish);
            self.forget(handed_over).await?;
        }
        Ok(claimed.len())
    }

    async fn claim_outbox(&self) -> Result<Vec<(i64, String)>, Error> {
        let something: bool =
            unobserved("SELECT EXISTS (SELECT 1 FROM outbox WHERE claimed_until <= $1)")
                .bind(now_ms())
                .fetch_value(self.database.readers())
                .await?;
        if !something {
            return Ok(Vec::new());
        }
        let mut transaction = self.database.write().await?;
        let free: Vec<(i64, String)> =
            query("SELECT seq, body FROM outbox WHERE claimed_until <= $1 ORDER BY seq LIMIT $2")
                .bind(now_ms())
                .bind(BATCH)
                .for_update_skip_locked()
                .fetch_all(&mut transaction)
                .await?;
        if free.is_empty() {
            return Ok(Vec::new());
        }
        query("UPDATE outbox SET claimed_until = ")
            .push_bind(now_ms() + CLAIM_MS)
            .push(" WHERE seq IN ")
            .push_list(free.iter().map(|it| it.0))
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(free)
    }

    async fn forget(&self, handed_over: Vec<i64>) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        query("DELETE FROM outbox WHERE seq IN ")
            .push_list(handed_over)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await
    }

    async fn clean_inbox(&self) -> Result<(), Error> {
        let before = now_ms() - INBOX_AGE_MS;
        let something: bool =
            unobserved("SELECT EXISTS (SELECT 1 FROM inbox WHERE processed_at < $1)")
                .bind(before)
                .fetch_value(self.database.readers())
                .await?;
        if !something {
            return Ok(());
        }
        let mut transaction = self.database.write().await?;
        query(
            "DELETE FROM inbox WHERE event_id IN (SELECT event_id FROM inbox WHERE processed_at < $1 LIMIT $2)",
        )
        .bind(before)
        .bind(CLEAN_BATCH)
        .execute(&mut transaction)
        .await?;
        transaction.commit().await
    }
}
