//! Where orders are kept.

use std::time::Duration;

use anyhow::Context as _;
use api::{
    AuditRow, CancelReason, Cents, Order, OrderId, OrderItem, OrderPage, OrderStatus, ProductId,
};
use chassis::{Error, rfc3339};
use database::{Database, Migrations, query};
use sqlx::FromRow;

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the orders; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    order_timeout: Duration,
}

/// An order as the database holds it.
#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    id: OrderId,
    idempotency_key: String,
    status: String,
    reason: Option<String>,
    items: String,
    #[sqlx(try_from = "i64")]
    total_cents: Cents,
    created_at: i64,
}

impl Row {
    fn status(&self) -> anyhow::Result<OrderStatus> {
        use OrderStatus::{Cancelled, Confirmed, Pending};
        let known = [Pending, Confirmed, Cancelled];
        let found = known.into_iter().find(|it| it.as_str() == self.status);
        found.with_context(|| format!("read the status {:?}", self.status))
    }

    fn reason(&self) -> Option<CancelReason> {
        use CancelReason::{OutOfStock, PaymentDeclined, TimedOut};
        let reason = self.reason.as_deref()?;
        [OutOfStock, PaymentDeclined, TimedOut]
            .into_iter()
            .find(|it| it.as_str() == reason)
    }

    fn items(&self) -> anyhow::Result<Vec<OrderItem>> {
        serde_json::from_str(&self.items).context("read the items of an order")
    }
}

impl TryFrom<Row> for Order {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            status: row.status()?,
            reason: row.reason(),
            items: row.items()?,
            id: row.id,
            total_cents: row.total_cents,
            created_at: rfc3339(row.created_at),
        })
    }
}

impl Store {
    /// Opens the store; an order that is not final after `order_timeout` is cancelled.
    pub async fn open(
        url: &database::Url,
        options: &database::Options,
        order_timeout: Duration,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            database: Database::open(url, options, &MIGRATIONS).await?,
            order_timeout,
        })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn order_timeout(&self) -> Duration {
        self.order_timeout
    }

    /// An order of this shopper; somebody else's is not found.
    pub(crate) async fn get(&self, user_id: &str, id: &str) -> Result<Order, Error> {
        let row: Option<Row> = query("SELECT * FROM orders WHERE id = $1 AND user_id = $2")
            .bind(id)
            .bind(user_id)
            .observed("SELECT", "orders")
            .fetch_optional(self.database.readers())
            .await?;
        row.ok_or(Error::NotFound("order"))?.try_into()
    }

    /// Up to `limit` orders of this shopper that are older than `cursor`, newest first.
    pub(crate) async fn list(
        &self,
        user_id: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<OrderPage, Error> {
        // `~` sorts after every id. One more than asked for tells whether there is a next page.
        let rows: Vec<Row> =
            query("SELECT * FROM orders WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
                .bind(user_id)
                .bind(cursor.unwrap_or("~"))
                .bind(i64::from(limit) + 1)
                .observed("SELECT", "orders")
                .fetch_all(self.database.readers())
                .await?;
        let items: Result<Vec<Order>, Error> = rows.into_iter().map(Order::try_from).collect();
        let mut items = items?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next_cursor = items.last().filter(|_| more).map(|it| it.id.to_string());
        Ok(OrderPage { items, next_cursor })
    }

    /// How many orders are not final.
    pub(crate) async fn pending(&self) -> Result<i64, Error> {
        query("SELECT count(*) FROM orders WHERE status = 'pending'")
            .fetch_value(self.database.readers())
            .await
    }

    /// Every order, by id.
    pub async fn audit(&self) -> Result<Vec<AuditRow>, Error> {
        let rows: Vec<Row> = query("SELECT * FROM orders ORDER BY id")
            .fetch_all(self.database.readers())
            .await?;
        let units = |it: OrderItem| -> (ProductId, i64) { (it.product_id, it.quantity) };
        let rows = rows.into_iter().map(|row| {
            Ok(AuditRow::Order {
                status: row.status()?,
                reason: row.reason(),
                items: row.items()?.into_iter().map(units).collect(),
                order_id: row.id,
                total_cents: row.total_cents,
                idempotency_key: row.idempotency_key,
            })
        });
        rows.collect()
    }
}
