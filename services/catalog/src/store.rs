//! Where products are kept, and what is read of them: a database, and a cache before it for single products.

use std::sync::Arc;

use anyhow::Context as _;
use api::{BROADCAST, Cents, Fact, Product, ProductId, ProductPage, QUEUES};
use cache::Cache;
use chassis::{Error, Host};
use database::{Database, Migrations, query};
use messaging::{Messaging, Topology};
use sqlx::FromRow;

use crate::Config;

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the products; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) cache: Cache<Product>,
    pub(crate) messaging: Messaging,
}

/// Reads [`Row`]s, of which the text says which.
macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, version, name, description, category, price_cents FROM products ",
            $which
        )
    };
}

/// A product as the database holds it.
#[derive(FromRow)]
pub(crate) struct Row {
    #[sqlx(try_from = "String")]
    id: ProductId,
    version: i64,
    name: String,
    description: String,
    category: String,
    #[sqlx(try_from = "i64")]
    price_cents: Cents,
}

impl From<Row> for Product {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            version: row.version,
            name: row.name,
            description: row.description,
            category: row.category,
            price_cents: row.price_cents,
        }
    }
}

impl Store {
    /// Opens the store and, if it is empty, fills it with the seed.
    pub(crate) async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let database = Database::open(&config.database, &MIGRATIONS).await?;
        database.watch(host);
        let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
        let messaging =
            Messaging::open(host, "catalog", &config.messaging, &topology, &database).await?;
        let version = |it: &Product| it.version;
        let store = Self {
            database,
            cache: Cache::open("products", config.cache.clone(), version).await?,
            messaging,
        };
        let seeded = store.seed(config.seed_products).await;
        seeded.context("seed the products")?;
        Ok(store)
    }

    /// Up to `limit` products after `cursor` in the order of their ids, of one category or all.
    pub(crate) async fn list(
        &self,
        category: Option<&str>,
        cursor: Option<&ProductId>,
        limit: u32,
    ) -> Result<ProductPage, Error> {
        let mut page =
            query(select!("WHERE id > ")).push_bind(cursor.map_or("", ProductId::as_str));
        if let Some(category) = category {
            page = page.push(" AND category = ").push_bind(category);
        }
        // One more than asked for tells whether there is a next page.
        let rows: Vec<Row> = page
            .push(" ORDER BY id LIMIT ")
            .push_bind(i64::from(limit) + 1)
            .fetch_all(self.database.readers())
            .await?;
        let mut items: Vec<_> = rows.into_iter().map(Product::from).collect();
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next_cursor = items.last().filter(|_| more).map(|it| it.id.clone());
        Ok(ProductPage { items, next_cursor })
    }

    /// One product, from the cache if it is there.
    pub(crate) async fn get(&self, id: &ProductId) -> Result<Product, Arc<Error>> {
        let (database, wanted) = (self.database.clone(), id.clone());
        let load = async move {
            let row: Option<Row> = query(select!("WHERE id = $1"))
                .bind(wanted.as_str())
                .fetch_optional(database.readers())
                .await?;
            row.map(Product::from).ok_or(Error::NotFound("product"))
        };
        self.cache.get_or_load(id.as_str(), load).await
    }
}
