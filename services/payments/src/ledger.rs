//! What was taken, given back and declined: every change of what was paid, with the order and the event it came from.

use api::{Cents, Fact, PaymentEffect};
use chassis::Error;
use database::{Transaction, query};
use messaging::Event;

use crate::{Store, payment, provider::Charge};

impl Store {
    /// Remembers an event that has no effect.
    pub(crate) async fn note(&self, event: &Event) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        self.messaging.is_new(&mut transaction, event).await?;
        transaction.commit().await
    }

    /// Writes down what the provider made of the charge for the event's order, and tells it.
    pub(crate) async fn charge(
        &self,
        event: &Event,
        charge: Charge,
        amount_cents: Cents,
    ) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        if !self.messaging.is_new(&mut transaction, event).await? {
            return Ok(());
        }
        let order_id = &event.subject;
        // Whoever cancels the order comes before all this or after it.
        transaction.lock(order_id).await?;
        let cancelled: bool =
            query("SELECT EXISTS (SELECT 1 FROM cancelled_orders WHERE order_id = $1)")
                .bind(order_id)
                .fetch_value(&mut transaction)
                .await?;
        if charge == Charge::Captured && !cancelled {
            query(
                "INSERT INTO captures (order_id, amount_cents) VALUES ($1, $2)
                 ON CONFLICT (order_id) DO UPDATE SET amount_cents = captures.amount_cents + excluded.amount_cents",
            )
            .bind(order_id)
            .bind(amount_cents.0)
            .execute(&mut transaction)
            .await?;
        }
        for (effect, fact) in payment::settle(charge, cancelled, amount_cents) {
            self.write(&mut transaction, event, (effect, amount_cents, fact))
                .await?;
        }
        transaction.commit().await
    }

    /// Gives back what was captured for the event's order, and remembers that it is off.
    pub(crate) async fn cancel(&self, event: &Event) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        if !self.messaging.is_new(&mut transaction, event).await? {
            return Ok(());
        }
        let order_id = &event.subject;
        transaction.lock(order_id).await?;
        query("INSERT INTO cancelled_orders (order_id) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(order_id)
            .execute(&mut transaction)
            .await?;
        let captured: Option<(i64,)> =
            query("DELETE FROM captures WHERE order_id = $1 RETURNING amount_cents")
                .bind(order_id)
                .fetch_optional(&mut transaction)
                .await?;
        if let Some(amount_cents) = captured.map(|(it,)| Cents(it)) {
            let (effect, fact) = payment::refund(amount_cents);
            self.write(&mut transaction, event, (effect, amount_cents, fact))
                .await?;
            tracing::info!(order_id, amount_cents = amount_cents.0, "payment refunded");
        }
        transaction.commit().await
    }

    async fn write(
        &self,
        transaction: &mut Transaction,
        event: &Event,
        (effect, amount_cents, fact): (PaymentEffect, Cents, Fact),
    ) -> Result<(), Error> {
        query(
            "INSERT INTO ledger (order_id, event_id, effect, amount_cents) VALUES ($1, $2, $3, $4)",
        )
        .bind(&event.subject)
        .bind(&event.id)
        .bind(effect.as_str())
        .bind(amount_cents.0)
        .execute(&mut *transaction)
        .await?;
        self.messaging.tell(transaction, &event.subject, fact).await
    }
}
