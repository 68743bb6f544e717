//! What was put aside, given back and sold: every change of stock, with the order and the event it came from.

use std::collections::HashMap;

use api::{Fact, OrderItem, PlacedOrder, StockEffect};
use chassis::Error;
use database::{Transaction, query};
use messaging::Event;

use crate::{Store, stock};

impl Store {
    /// Puts everything aside that `order` wants, or nothing, and tells which.
    pub(crate) async fn reserve(&self, event: &Event, order: &PlacedOrder) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        if !self.messaging.is_new(&mut transaction, event).await? {
            return Ok(());
        }
        let order_id = &event.subject;
        // Whoever cancels the order comes before all this or after it.
        transaction.lock(order_id).await?;
        if is_cancelled(&mut transaction, order_id).await? {
            return transaction.commit().await;
        }
        let available = lock_stock(&mut transaction, &order.items).await?;
        if let Some(product_id) = stock::shortage(&order.items, &available) {
            tracing::info!(order_id, %product_id, "out of stock");
            let fact = Fact::StockRejected {};
            self.messaging
                .tell(&mut transaction, order_id, fact)
                .await?;
            return transaction.commit().await;
        }
        for item in &order.items {
            let (product_id, quantity) = (item.product_id.as_str(), item.quantity);
            query("UPDATE stock SET reserved = reserved + $2 WHERE product_id = $1")
                .bind(product_id)
                .bind(quantity)
                .execute(&mut transaction)
                .await?;
            query(
                "INSERT INTO reservations (order_id, product_id, quantity) VALUES ($1, $2, $3)
                 ON CONFLICT (order_id, product_id) DO UPDATE SET quantity = reservations.quantity + excluded.quantity",
            )
            .bind(order_id)
            .bind(product_id)
            .bind(quantity)
            .execute(&mut transaction)
            .await?;
            let entry = (product_id, StockEffect::Reserved, quantity);
            write_entry(&mut transaction, event, entry).await?;
        }
        let fact = Fact::StockReserved(order.clone());
        self.messaging
            .tell(&mut transaction, order_id, fact)
            .await?;
        transaction.commit().await
    }

    /// What was put aside for a confirmed order leaves the warehouse.
    pub(crate) async fn sell(&self, event: &Event) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        if !self.messaging.is_new(&mut transaction, event).await? {
            return Ok(());
        }
        transaction.lock(&event.subject).await?;
        end_reservations(&mut transaction, event, StockEffect::Sold).await?;
        transaction.commit().await
    }

    /// What was put aside for a cancelled order can be sold to others.
    pub(crate) async fn release(&self, event: &Event) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        if !self.messaging.is_new(&mut transaction, event).await? {
            return Ok(());
        }
        transaction.lock(&event.subject).await?;
        query("INSERT INTO cancelled_orders (order_id) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(&event.subject)
            .execute(&mut transaction)
            .await?;
        end_reservations(&mut transaction, event, StockEffect::Released).await?;
        transaction.commit().await
    }

    /// Fills an empty warehouse.
    pub(crate) async fn seed(&self, count: u32) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        // Replicas that start together fill it once.
        transaction.lock("seed").await?;
        let filled: i64 = query("SELECT count(*) FROM stock")
            .fetch_value(&mut transaction)
            .await?;
        if filled == 0 {
            for number in 1..=count {
                query("INSERT INTO stock (product_id, initial, on_hand) VALUES ($1, $2, $2)")
                    .bind(api::product_id(number).as_str())
                    .bind(api::seed::stock(number))
                    .execute(&mut transaction)
                    .await?;
            }
        }
        transaction.commit().await
    }
}

async fn is_cancelled(transaction: &mut Transaction, order_id: &str) -> Result<bool, Error> {
    query("SELECT EXISTS (SELECT 1 FROM cancelled_orders WHERE order_id = $1)")
        .bind(order_id)
        .fetch_value(transaction)
        .await
}

/// What can be sold of each product of `items`, which nobody else changes until the transaction ends. They are locked in one
/// order for all, so that no two wait for each other.
async fn lock_stock(
    transaction: &mut Transaction,
    items: &[OrderItem],
) -> Result<HashMap<String, i64>, Error> {
    let available: Vec<(String, i64)> =
        query("SELECT product_id, on_hand - reserved FROM stock WHERE product_id IN ")
            .push_list(items.iter().map(|it| it.product_id.as_str()))
            .push(" ORDER BY product_id")
            .for_update()
            .fetch_all(transaction)
            .await?;
    Ok(available.into_iter().collect())
}

/// Ends what is put aside for the event's order, as sold or released.
async fn end_reservations(
    transaction: &mut Transaction,
    event: &Event,
    effect: StockEffect,
) -> Result<(), Error> {
    let mut reservations: Vec<(String, i64)> =
        query("DELETE FROM reservations WHERE order_id = $1 RETURNING product_id, quantity")
            .bind(&event.subject)
            .fetch_all(&mut *transaction)
            .await?;
    // In the order in which others lock them.
    reservations.sort_unstable();
    let gone = i64::from(effect == StockEffect::Sold);
    for (product_id, quantity) in reservations {
        query(
            "UPDATE stock SET reserved = reserved - $2, on_hand = on_hand - $2 * $3 WHERE product_id = $1",
        )
        .bind(&product_id)
        .bind(quantity)
        .bind(gone)
        .execute(&mut *transaction)
        .await?;
        write_entry(transaction, event, (&product_id, effect, quantity)).await?;
    }
    Ok(())
}

async fn write_entry(
    transaction: &mut Transaction,
    event: &Event,
    (product_id, effect, quantity): (&str, StockEffect, i64),
) -> Result<(), Error> {
    query(
        "INSERT INTO ledger (order_id, event_id, product_id, effect, quantity) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&event.subject)
    .bind(&event.id)
    .bind(product_id)
    .bind(effect.as_str())
    .bind(quantity)
    .execute(transaction)
    .await?;
    Ok(())
}
