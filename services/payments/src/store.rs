//! Where payments are kept.

use anyhow::Context as _;
use api::{AuditRow, Cents, Fact, PaymentEffect};
use chassis::Error;
use database::{Database, Migrations, Transaction, query};
use messaging::{Event, Messaging};

use crate::{payment, provider::Charge};

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the payments; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store(Database);

impl Store {
    /// Opens the store.
    pub async fn open(url: &database::Url, options: &database::Options) -> anyhow::Result<Self> {
        let database = Database::open(url, options, &MIGRATIONS).await?;
        Ok(Self(database))
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0
    }

    /// Whether an order was charged already, or is off.
    pub(crate) async fn is_over(&self, order_id: &str) -> Result<bool, Error> {
        query(
            "SELECT EXISTS (SELECT 1 FROM ledger WHERE order_id = $1)
                 OR EXISTS (SELECT 1 FROM cancelled_orders WHERE order_id = $1)",
        )
        .bind(order_id)
        .observed("SELECT", "ledger")
        .fetch_value(self.0.readers())
        .await
    }

    /// Remembers an event that has no effect.
    pub(crate) async fn note(&self, messaging: &Messaging, event: &Event) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
        messaging.is_new(&mut transaction, event).await?;
        transaction.commit().await
    }

    /// Writes down what the provider made of the charge for the event's order, and tells it.
    pub(crate) async fn charge(
        &self,
        messaging: &Messaging,
        event: &Event,
        charge: Charge,
        amount_cents: Cents,
    ) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
        if !messaging.is_new(&mut transaction, event).await? {
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
            self.write(
                &mut transaction,
                messaging,
                event,
                (effect, amount_cents, fact),
            )
            .await?;
        }
        transaction.commit().await
    }

    /// Gives back what was captured for the event's order, and remembers that it is off.
    pub(crate) async fn cancel(&self, messaging: &Messaging, event: &Event) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
        if !messaging.is_new(&mut transaction, event).await? {
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
            self.write(
                &mut transaction,
                messaging,
                event,
                (effect, amount_cents, fact),
            )
            .await?;
            tracing::info!(order_id, amount_cents = amount_cents.0, "payment refunded");
        }
        transaction.commit().await
    }

    async fn write(
        &self,
        transaction: &mut Transaction,
        messaging: &Messaging,
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
        .observed("INSERT", "ledger")
        .execute(&mut *transaction)
        .await?;
        messaging.tell(transaction, &event.subject, fact).await
    }

    /// The ledger by order.
    pub async fn audit(&self) -> Result<Vec<AuditRow>, Error> {
        let entries: Vec<(String, String, String, i64)> = query(
            "SELECT order_id, event_id, effect, amount_cents FROM ledger ORDER BY order_id, seq",
        )
        .fetch_all(self.0.readers())
        .await?;
        let rows = entries
            .into_iter()
            .map(|(order_id, event_id, effect, amount_cents)| {
                Ok(AuditRow::Payment {
                    order_id: order_id.try_into().context("read an order id")?,
                    event_id,
                    effect: PaymentEffect::named(&effect).context("read an effect")?,
                    amount_cents: Cents(amount_cents),
                })
            });
        rows.collect()
    }
}
