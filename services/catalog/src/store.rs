//! Where products live: a database, and a cache before it for single products. Whoever follows products is told of changes.

use std::sync::Arc;

use anyhow::Context as _;
use api::{
    BROADCAST, Cents, Fact, NewProduct, Product, ProductChange, ProductId, ProductPage, QUEUES,
};
use cache::Cache;
use chassis::{Error, Host};
use database::{Database, Migrations, Query, Transaction, query};
use messaging::{Messaging, Topology};
use sqlx::FromRow;

use crate::{Config, events};

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};

/// A handle to the products; cloning shares it.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    cache: Cache<Product>,
    messaging: Messaging,
}

/// A product as the database holds it.
#[derive(FromRow)]
struct Row {
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
    pub async fn open(host: &Host, config: &Config) -> anyhow::Result<Self> {
        let cache = cache::Options {
            ttl: config.cache_ttl,
            stale: config.cache_stale,
            capacity: config.cache_capacity,
            timeout: config.cache_timeout,
        };
        let database = Database::open(&config.database_url, &config.database, &MIGRATIONS).await?;
        let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
        let version = |it: &Product| it.version;
        let store = Self {
            messaging: Messaging::open(host, "catalog", &config.broker_url, &topology, &database)
                .await?,
            database,
            cache: Cache::open(&config.cache_url, "products", cache, version).await?,
        };
        let cache = store.cache.clone();
        store
            .messaging
            .overhear(host, move |heard| events::forget(cache.clone(), heard));
        store
            .seed(config.seed_products)
            .await
            .context("seed the products")?;
        Ok(store)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    async fn seed(&self, count: u32) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        // Replicas that start together fill it once.
        transaction.lock("seed").await?;
        let filled: i64 = query("SELECT count(*) FROM products")
            .fetch_value(&mut transaction)
            .await?;
        if filled == 0 {
            for product in api::seed(count) {
                insert(&product).execute(&mut transaction).await?;
            }
        }
        transaction.commit().await
    }

    /// Up to `limit` products after `cursor` in the order of their ids, of one category or all.
    pub(crate) async fn list(
        &self,
        category: Option<&str>,
        cursor: Option<&ProductId>,
        limit: u32,
    ) -> Result<ProductPage, Error> {
        let mut page = query("SELECT * FROM products WHERE id > ")
            .push_bind(cursor.map_or("", ProductId::as_str));
        if let Some(category) = category {
            page = page.push(" AND category = ").push_bind(category);
        }
        // One more than asked for tells whether there is a next page.
        let rows: Vec<Row> = page
            .push(" ORDER BY id LIMIT ")
            .push_bind(i64::from(limit) + 1)
            .observed("SELECT", "products")
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
            let row: Option<Row> = query("SELECT * FROM products WHERE id = $1")
                .bind(wanted.as_str())
                .observed("SELECT", "products")
                .fetch_optional(database.readers())
                .await?;
            row.map(Product::from).ok_or(Error::NotFound("product"))
        };
        self.cache.get_or_load(id.as_str(), load).await
    }

    /// Adds a product.
    pub(crate) async fn create(&self, id: ProductId, new: NewProduct) -> Result<Product, Error> {
        let product = Product {
            id,
            version: 1,
            name: new.name,
            description: new.description,
            category: new.category,
            price_cents: new.price_cents,
        };
        let mut transaction = self.database.write().await?;
        insert(&product)
            .observed("INSERT", "products")
            .execute(&mut transaction)
            .await?;
        self.tell(&mut transaction, &product).await?;
        transaction.commit().await?;
        Ok(product)
    }

    /// Changes a product and raises its version.
    pub(crate) async fn change(
        &self,
        id: &ProductId,
        change: ProductChange,
    ) -> Result<Product, Error> {
        let mut transaction = self.database.write().await?;
        let row: Option<Row> = query(
            "UPDATE products SET version = version + 1, name = COALESCE($2, name),
                 description = COALESCE($3, description), category = COALESCE($4, category),
                 price_cents = COALESCE($5, price_cents)
             WHERE id = $1 RETURNING *",
        )
        .bind(id.as_str())
        .bind(change.name)
        .bind(change.description)
        .bind(change.category)
        .bind(change.price_cents.map(|it| it.0))
        .observed("UPDATE", "products")
        .fetch_optional(&mut transaction)
        .await?;
        let product = Product::from(row.ok_or(Error::NotFound("product"))?);
        self.tell(&mut transaction, &product).await?;
        transaction.commit().await?;
        self.cache.invalidate(id.as_str(), product.version).await;
        Ok(product)
    }

    async fn tell(&self, transaction: &mut Transaction, product: &Product) -> Result<(), Error> {
        let fact = Fact::ProductChanged(product.clone());
        let subject = product.id.as_str();
        self.messaging.tell(transaction, subject, fact).await
    }
}

fn insert(product: &Product) -> Query {
    query(
        "INSERT INTO products (id, version, name, description, category, price_cents) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(product.id.as_str())
    .bind(product.version)
    .bind(&product.name)
    .bind(&product.description)
    .bind(&product.category)
    .bind(product.price_cents.0)
}
