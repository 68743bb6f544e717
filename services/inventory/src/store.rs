//! Where stock is kept, and what of it can be sold.

use anyhow::Context as _;
use chassis::Error;
use database::{Database, Migrations, query};
use sqlx::FromRow;

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the stock; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store(Database);

/// What can be sold of one product.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Available {
    pub(crate) product_id: String,
    pub(crate) available: i64,
}

impl Store {
    /// Opens the store and, if it is empty, fills it with the seed.
    pub async fn open(
        url: &database::Url,
        options: &database::Options,
        seed: u32,
    ) -> anyhow::Result<Self> {
        let store = Self(Database::open(url, options, &MIGRATIONS).await?);
        store.seed(seed).await.context("seed the stock")?;
        Ok(store)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0
    }

    async fn seed(&self, count: u32) -> Result<(), Error> {
        let mut transaction = self.0.write().await?;
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

    /// What can be sold of each of these products; those never stocked are left out.
    pub(crate) async fn available(&self, product_ids: &[String]) -> Result<Vec<Available>, Error> {
        if product_ids.is_empty() {
            return Ok(Vec::new());
        }
        query("SELECT product_id, on_hand - reserved AS available FROM stock WHERE product_id IN ")
            .push_list(product_ids)
            .observed("SELECT", "stock")
            .fetch_all(self.0.readers())
            .await
    }
}
