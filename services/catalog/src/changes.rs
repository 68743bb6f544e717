//! How products come to be and change: every change of them, with the event that tells whoever follows products.

use api::{Fact, NewProduct, Product, ProductChange, ProductId};
use chassis::Error;
use database::{Query, Transaction, query};

use crate::{Store, store::Row};

impl Store {
    /// Fills an empty shop.
    pub(crate) async fn seed(&self, count: u32) -> Result<(), Error> {
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
        insert(&product).execute(&mut transaction).await?;
        self.tell(&mut transaction, &product).await?;
        transaction.commit().await?;
        // Whoever has asked for it too soon was told that there is none.
        let (key, version) = (product.id.as_str(), product.version);
        self.cache.invalidate(key, version).await;
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
             WHERE id = $1 RETURNING id, version, name, description, category, price_cents",
        )
        .bind(id.as_str())
        .bind(change.name)
        .bind(change.description)
        .bind(change.category)
        .bind(change.price_cents.map(|it| it.0))
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
