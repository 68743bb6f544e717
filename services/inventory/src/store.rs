//! Where stock is kept, and what is read of it.

use anyhow::Context as _;
use api::{AuditRow, BROADCAST, Fact, ProductId, QUEUES, StockEffect};
use chassis::{Error, Host};
use database::{Database, Migrations, query};
use messaging::{Messaging, Topology};
use sqlx::FromRow;

use crate::Config;

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the stock; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) messaging: Messaging,
}

/// What can be sold of one product.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Available {
    pub(crate) product_id: String,
    pub(crate) available: i64,
}

impl Store {
    /// Opens the store and, if it is empty, fills it with the seed.
    pub(crate) async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let database = Database::open(&config.database, &MIGRATIONS).await?;
        database.watch(host);
        let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
        let messaging =
            Messaging::open(host, "inventory", &config.messaging, &topology, &database).await?;
        let store = Self {
            database,
            messaging,
        };
        let seeded = store.seed(config.seed_products).await;
        seeded.context("seed the stock")?;
        Ok(store)
    }

    /// What can be sold of each of these products; those never stocked are left out.
    pub(crate) async fn available(
        &self,
        product_ids: &[ProductId],
    ) -> Result<Vec<Available>, Error> {
        if product_ids.is_empty() {
            return Ok(Vec::new());
        }
        query("SELECT product_id, on_hand - reserved AS available FROM stock WHERE product_id IN ")
            .push_list(product_ids.iter().map(ProductId::as_str))
            .fetch_all(self.database.readers())
            .await
    }

    /// The ledger by order, then the levels of every product in it.
    pub async fn audit(&self) -> Result<Vec<AuditRow>, Error> {
        let entries: Vec<(String, String, String, String, i64)> = query(
            "SELECT order_id, event_id, product_id, effect, quantity FROM ledger ORDER BY order_id, seq",
        )
        .fetch_all(self.database.readers())
        .await?;
        let mut rows = Vec::with_capacity(entries.len());
        for (order_id, event_id, product_id, effect, quantity) in entries {
            rows.push(AuditRow::Stock {
                order_id: order_id.try_into().context("read an order id")?,
                event_id,
                product_id: product_id.try_into().context("parse a product id")?,
                effect: StockEffect::named(&effect).context("parse a ledger effect")?,
                quantity,
            });
        }
        let levels: Vec<(String, i64, i64, i64)> = query(
            "SELECT product_id, initial, on_hand, reserved FROM stock
             WHERE product_id IN (SELECT product_id FROM ledger) ORDER BY product_id",
        )
        .fetch_all(self.database.readers())
        .await?;
        for (product_id, initial, on_hand, reserved) in levels {
            rows.push(AuditRow::Level {
                product_id: product_id.try_into().context("parse a product id")?,
                initial,
                on_hand,
                reserved,
            });
        }
        Ok(rows)
    }
}
