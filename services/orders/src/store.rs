//! Where orders are kept, and what is read of them.

use std::time::Duration;

use anyhow::Context as _;
use api::{
    AuditRow, BROADCAST, CancelReason, Cents, Currency, Fact, Order, OrderId, OrderItem, OrderPage,
    OrderStatus, ProductId, QUEUES, UserId,
};
use chassis::{Error, Host, now_ms, rfc3339};
use database::{Database, Migrations, query, unobserved};
use messaging::{Messaging, Topology};
use sqlx::FromRow;

use crate::{Config, completion, order, placing::Placement};

pub(crate) static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the orders; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) messaging: Messaging,
    /// An order that is not final after this is cancelled.
    pub(crate) order_timeout: Duration,
}

/// Reads [`Row`]s, of which the text says which and in what order.
macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, idempotency_key, status, reason, items, total_cents, currency, created_at FROM orders ",
            $which
        )
    };
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
    /// None where the version before placed it.
    currency: Option<String>,
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

    /// Another currency than those we know is not taken for the usual one.
    fn currency(&self) -> anyhow::Result<Currency> {
        match self.currency.as_deref() {
            None => Ok(Currency::default()),
            Some(it) if it == Currency::Eur.as_str() => Ok(Currency::Eur),
            Some(other) => anyhow::bail!("read the currency {other:?}"),
        }
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
            currency: row.currency()?,
            id: row.id,
            total_cents: row.total_cents,
            created_at: rfc3339(row.created_at),
        })
    }
}

impl Store {
    /// Opens the store, and has `/metrics` say how many of its orders are pending.
    pub(crate) async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let database = Database::open(&config.database, &MIGRATIONS).await?;
        database.watch(host);
        let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
        let messaging =
            Messaging::open(host, "orders", &config.messaging, &topology, &database).await?;
        let store = Self {
            database,
            messaging,
            order_timeout: config.order_timeout,
        };
        completion::begin();
        let counted = store.clone();
        host.gauge(move || counted.clone().count_pending());
        Ok(store)
    }

    /// What was answered to this key before.
    ///
    /// # Errors
    /// [`Error::Unprocessable`] if it came with another body.
    pub(crate) async fn answered(&self, placement: Placement<'_>) -> Result<Option<Order>, Error> {
        let found: Option<(String, String)> =
            query("SELECT body_hash, answer FROM idempotency WHERE user_id = $1 AND key = $2")
                .bind(placement.user_id.as_str())
                .bind(placement.key)
                .fetch_optional(self.database.readers())
                .await?;
        let Some((body_hash, answer)) = found else {
            return Ok(None);
        };
        if body_hash != placement.fingerprint {
            let text = "Idempotency-Key already used for another order; use a new one";
            return Err(Error::Unprocessable(text.to_owned()));
        }
        let order = serde_json::from_str(&answer).context("parse the stored response")?;
        Ok(Some(order))
    }

    /// An order of this shopper; somebody else's is not found.
    pub(crate) async fn get(&self, user_id: &UserId, id: &OrderId) -> Result<Order, Error> {
        let row: Option<Row> = query(select!("WHERE id = $1 AND user_id = $2"))
            .bind(id.as_str())
            .bind(user_id.as_str())
            .fetch_optional(self.database.readers())
            .await?;
        row.ok_or(Error::NotFound("order"))?.try_into()
    }

    /// Up to `limit` orders of this shopper that are older than `cursor`, newest first.
    pub(crate) async fn list(
        &self,
        user_id: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<OrderPage, Error> {
        // `~` sorts after every id. One more than asked for tells whether there is a next page.
        let rows: Vec<Row> = query(select!(
            "WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        ))
        .bind(user_id.as_str())
        .bind(cursor.unwrap_or("~"))
        .bind(i64::from(limit) + 1)
        .fetch_all(self.database.readers())
        .await?;
        let items: Result<Vec<Order>, Error> = rows.into_iter().map(Order::try_from).collect();
        let mut items = items?;
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next_cursor = items.last().filter(|_| more).map(|it| it.id.to_string());
        Ok(OrderPage { items, next_cursor })
    }

    async fn count_pending(self) {
        let counts = async { Ok::<_, Error>((self.pending().await?, self.overdue().await?)) };
        match counts.await {
            Ok((pending, overdue)) => completion::count(pending, overdue),
            Err(error) => tracing::warn!(%error, "number of pending orders unknown"),
        }
    }

    /// How many orders are not final and should be.
    pub(crate) async fn overdue(&self) -> Result<i64, Error> {
        let limit = order::COMPLETED_WITHIN.as_millis();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        unobserved("SELECT count(*) FROM orders WHERE status = 'pending' AND created_at < $1")
            .bind(now_ms() - limit)
            .fetch_value(self.database.readers())
            .await
    }

    /// How many orders are not final.
    pub(crate) async fn pending(&self) -> Result<i64, Error> {
        unobserved("SELECT count(*) FROM orders WHERE status = 'pending'")
            .fetch_value(self.database.readers())
            .await
    }

    /// Every order, by id.
    pub async fn audit(&self) -> Result<Vec<AuditRow>, Error> {
        let rows: Vec<Row> = query(select!("ORDER BY id"))
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
