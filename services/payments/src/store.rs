//! Where payments are kept, and what is read of them.

use anyhow::Context as _;
use api::{AuditRow, BROADCAST, Cents, Fact, OrderId, PaymentEffect, QUEUES};
use chassis::{Error, Host};
use database::{Database, Migrations, query};
use messaging::{Messaging, Topology};

use crate::Config;

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the payments; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) messaging: Messaging,
}

impl Store {
    /// Opens the store.
    pub(crate) async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let database = Database::open(&config.database, &MIGRATIONS).await?;
        database.watch(host);
        let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
        let messaging =
            Messaging::open(host, "payments", &config.messaging, &topology, &database).await?;
        Ok(Self {
            database,
            messaging,
        })
    }

    /// Whether an order was charged already, or is off.
    pub(crate) async fn is_over(&self, order_id: &OrderId) -> Result<bool, Error> {
        query(
            "SELECT EXISTS (SELECT 1 FROM ledger WHERE order_id = $1)
                 OR EXISTS (SELECT 1 FROM cancelled_orders WHERE order_id = $1)",
        )
        .bind(order_id.as_str())
        .fetch_value(self.database.readers())
        .await
    }

    /// The ledger by order.
    pub async fn audit(&self) -> Result<Vec<AuditRow>, Error> {
        let entries: Vec<(String, String, String, i64)> = query(
            "SELECT order_id, event_id, effect, amount_cents FROM ledger ORDER BY order_id, seq",
        )
        .fetch_all(self.database.readers())
        .await?;
        let rows = entries
            .into_iter()
            .map(|(order_id, event_id, effect, amount_cents)| {
                Ok(AuditRow::Payment {
                    order_id: order_id.try_into().context("read an order id")?,
                    event_id,
                    effect: PaymentEffect::named(&effect).context("parse a ledger effect")?,
                    amount_cents: Cents(amount_cents),
                })
            });
        rows.collect()
    }
}
