//! The half of the store that changes orders: placed once, ended once, and every change told in the transaction that makes
//! it.

use std::time::Duration;

use anyhow::Context as _;
use api::{CancelReason, Fact, Order, OrderId, OrderStatus, PlacedOrder};
use chassis::{Error, now_ms, rfc3339};
use database::{Transaction, query, round, unobserved};
use messaging::Event;
use telemetry::Origin;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{Store, completion, order::Verdict, placing::Placement};

/// How often it is looked for orders that are not final in time.
const SWEEP: Duration = Duration::from_millis(500);
/// Orders cancelled in one transaction.
const BATCH: i64 = 100;
/// An answer is remembered for a day, in milliseconds, ...
const REMEMBERED_MS: i64 = 24 * 3600 * 1000;
/// ... and so many are forgotten at once: in a file nobody can write meanwhile.
const FORGOTTEN_AT_ONCE: i64 = 5_000;

/// A pending order whose time is over.
#[derive(sqlx::FromRow)]
struct Overdue {
    id: String,
    traceparent: Option<String>,
    tracestate: Option<String>,
    request_id: Option<String>,
}

impl Store {
    /// Places an order, unless its key was taken meanwhile: then nothing happens and the answer is `None`.
    pub(crate) async fn place(
        &self,
        placement: Placement<'_>,
        id: OrderId,
        placed: PlacedOrder,
    ) -> Result<Option<Order>, Error> {
        let now = now_ms();
        let order = Order {
            id,
            status: OrderStatus::Pending,
            reason: None,
            items: placed.items.clone(),
            total_cents: placed.total_cents,
            currency: placed.currency,
            created_at: rfc3339(now),
        };
        let mut transaction = self.database.write().await?;
        let remembered = query(
            "INSERT INTO idempotency (user_id, key, body_hash, answer, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(placement.user_id.as_str())
        .bind(placement.key)
        .bind(placement.fingerprint)
        .bind(serde_json::to_string(&order).context("serialize the response")?)
        .bind(now)
        .execute(&mut transaction)
        .await?;
        if remembered == 0 {
            return Ok(None);
        }
        self.insert(&mut transaction, placement, &order, now)
            .await?;
        let placed = Fact::OrderPlaced(placed);
        self.messaging
            .tell(&mut transaction, order.id.as_str(), placed)
            .await?;
        transaction.commit().await?;
        Ok(Some(order))
    }

    async fn insert(
        &self,
        transaction: &mut Transaction,
        placement: Placement<'_>,
        order: &Order,
        now: i64,
    ) -> Result<(), Error> {
        let timeout = i64::try_from(self.order_timeout.as_millis()).unwrap_or(i64::MAX);
        let origin = Origin::current();
        query(
            "INSERT INTO orders (id, user_id, idempotency_key, status, items, total_cents, created_at, deadline,
                 traceparent, tracestate, request_id, currency)
             VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(order.id.as_str())
        .bind(placement.user_id.as_str())
        .bind(placement.key)
        .bind(serde_json::to_string(&order.items).context("serialize the items")?)
        .bind(order.total_cents.0)
        .bind(now)
        .bind(now.saturating_add(timeout))
        .bind(origin.traceparent)
        .bind(origin.tracestate)
        .bind(origin.request_id)
        .bind(order.currency.as_str())
        .execute(transaction)
        .await?;
        Ok(())
    }

    /// Ends the event's order, if it is still pending, and tells how.
    pub(crate) async fn end(&self, event: &Event, verdict: Verdict) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        if !self.messaging.is_new(&mut transaction, event).await? {
            return Ok(());
        }
        let placed = set_final(&mut transaction, &event.subject, verdict).await?;
        if placed.is_some() {
            let fact = verdict.fact();
            self.messaging
                .tell(&mut transaction, &event.subject, fact)
                .await?;
        } else {
            // Cancelled in the meantime. Whoever took money for it hears of the cancellation and gives it back.
            tracing::info!(
                order_id = event.subject,
                "event ignored: order is already final or unknown"
            );
        }
        transaction.commit().await?;
        if let Some(placed) = placed {
            completion::observe(verdict, placed);
        }
        Ok(())
    }

    /// Cancels orders that are not final in time and forgets old answers, until `stop`. Replicas may all do it: each order is
    /// cancelled once.
    pub(crate) async fn sweep(self, stop: CancellationToken) {
        let mut ticks = interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => (),
                () = stop.cancelled() => return,
            }
            self.sweep_once().await;
        }
    }

    /// One does not wait for the other: there may always be overdue orders, or none.
    async fn sweep_once(&self) {
        if let Err(error) = round(self.cancel_overdue()).await {
            tracing::warn!(%error, "cancelling overdue orders failed; retrying");
        }
        if let Err(error) = round(self.forget_answers()).await {
            tracing::warn!(%error, "old answers to idempotency keys were not forgotten this time");
        }
    }

    async fn cancel_overdue(&self) -> Result<(), Error> {
        // In one order for all replicas, so that none waits for another that waits for it.
        let overdue: Vec<Overdue> = unobserved(
            "SELECT id, traceparent, tracestate, request_id FROM orders
             WHERE status = 'pending' AND deadline <= $1 ORDER BY deadline, id LIMIT $2",
        )
        .bind(now_ms())
        .bind(BATCH)
        .fetch_all(self.database.readers())
        .await?;
        if overdue.is_empty() {
            return Ok(());
        }
        let verdict = Verdict::Cancelled(CancelReason::TimedOut);
        let mut transaction = self.database.write().await?;
        let mut ended = Vec::new();
        for it in overdue {
            let Some(placed) = set_final(&mut transaction, &it.id, verdict).await? else {
                continue;
            };
            ended.push(placed);
            tracing::warn!(order_id = it.id, "order timed out and was cancelled");
            let origin = Origin {
                traceparent: it.traceparent,
                tracestate: it.tracestate,
                request_id: it.request_id,
            };
            self.messaging
                .tell_from(origin, &mut transaction, &it.id, verdict.fact())
                .await?;
        }
        transaction.commit().await?;
        for placed in ended {
            completion::observe(verdict, placed);
        }
        Ok(())
    }

    /// Forgets some of the answers that are older than a day.
    async fn forget_answers(&self) -> Result<(), Error> {
        let before = now_ms() - REMEMBERED_MS;
        let some: bool =
            unobserved("SELECT EXISTS (SELECT 1 FROM idempotency WHERE created_at < $1)")
                .bind(before)
                .fetch_value(self.database.readers())
                .await?;
        if !some {
            return Ok(());
        }
        let mut transaction = self.database.write().await?;
        let forget = "DELETE FROM idempotency WHERE (user_id, key) IN
             (SELECT user_id, key FROM idempotency WHERE created_at < $1 LIMIT $2)";
        query(forget)
            .bind(before)
            .bind(FORGOTTEN_AT_ONCE)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await
    }
}

/// Makes a pending order final, and says when it was placed, in milliseconds since 1970; nothing, if it was not pending.
async fn set_final(
    transaction: &mut Transaction,
    id: &str,
    verdict: Verdict,
) -> Result<Option<i64>, Error> {
    let placed: Option<(i64,)> = query(
        "UPDATE orders SET status = $2, reason = $3 WHERE id = $1 AND status = 'pending' RETURNING created_at",
    )
    .bind(id)
    .bind(verdict.status().as_str())
    .bind(verdict.reason().map(CancelReason::as_str))
    .fetch_optional(transaction)
    .await?;
    Ok(placed.map(|it| it.0))
}

#[cfg(test)]
mod tests {
    use api::{CardNumber, Cents, Currency, GOOD_CARD, NewOrder, SealedCard};
    use chassis::{Host, new_id};
    use clap::Parser as _;
    use testbed::{Databases, on_every_database};

    use super::*;
    use crate::{Config, order};

    on_every_database! {
        old_answers_are_forgotten_while_orders_are_overdue,
    }

    async fn old_answers_are_forgotten_while_orders_are_overdue(data: Databases) {
        let database = format!("--database-url={}", data.url("orders").await);
        let broker = format!("--broker-url={}", data.file("broker"));
        let at_once = "--order-timeout=0s";
        let keys = ["--card-key-file=unused", "--fingerprint-key-file=unused"];
        let own = ["orders", &database, &broker, at_once];
        let config = Config::parse_from(own.into_iter().chain(keys));
        let store = Store::open(&config, &Host::default()).await.unwrap();
        let (user_id, order) = (
            &"u-1".parse().unwrap(),
            &NewOrder {
                items: Vec::new(),
                card_number: CardNumber(GOOD_CARD.into()),
            },
        );
        let under = |key| Placement {
            user_id,
            key,
            order,
            fingerprint: "one",
        };
        for key in ["old", "new"] {
            let placed = PlacedOrder {
                items: Vec::new(),
                total_cents: Cents::ZERO,
                currency: Currency::Eur,
                card: SealedCard {
                    key_id: String::new(),
                    sealed: String::new(),
                },
            };
            let id = new_id("o").try_into().unwrap();
            let placed = store.place(under(key), id, placed).await;
            placed.unwrap().unwrap();
        }
        let mut transaction = store.database.write().await.unwrap();
        let age = query("UPDATE idempotency SET created_at = $1 WHERE key = 'old'");
        let age = age.bind(now_ms() - REMEMBERED_MS - 1);
        assert_eq!(age.execute(&mut transaction).await.unwrap(), 1);
        let placed = query("UPDATE orders SET created_at = $1 WHERE idempotency_key = 'old'");
        let limit = i64::try_from(order::COMPLETED_WITHIN.as_millis()).unwrap();
        let placed = placed.bind(now_ms() - limit - 1);
        assert_eq!(placed.execute(&mut transaction).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        assert_eq!(store.overdue().await.unwrap(), 1, "of two that are pending");

        store.sweep_once().await;

        assert_eq!(store.overdue().await.unwrap(), 0);

        assert_eq!(store.pending().await.unwrap(), 0, "both were overdue");
        assert!(store.answered(under("old")).await.unwrap().is_none());
        assert!(store.answered(under("new")).await.unwrap().is_some());
    }
}
