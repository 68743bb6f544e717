//! How products get into the index: the writing half of this engine.

use std::{borrow::Borrow, collections::BTreeMap};

use api::Product;
use sqlx::SqliteConnection;

use crate::text::words::{distinct, texts};

/// How many products more or fewer have a word.
type WordChanges = BTreeMap<String, i64>;

/// When a product is put in the place of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    /// If it is newer.
    Older,
    /// If it is as new, too: what is there may be wrong.
    OlderOrSame,
}

/// Puts each of `products` into the index unless it is there in a newer version, or, as `replace` says, in this one. Returns
/// how many were put.
///
/// The connection is in a transaction, so that texts and words never disagree.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    products: impl IntoIterator<Item: Borrow<Product>>,
    replace: Replace,
) -> Result<usize, sqlx::Error> {
    let (mut changed, mut word_changes) = (0, WordChanges::new());
    for product in products {
        let product = product.borrow();
        if let Some((number, before)) = put_product(connection, product, replace).await? {
            put_texts(connection, number, product).await?;
            for word in distinct(&before.unwrap_or_default()) {
                *word_changes.entry(word).or_default() -= 1;
            }
            for word in distinct(&texts(product)) {
                *word_changes.entry(word).or_default() += 1;
            }
            changed += 1;
        }
    }
    for (word, change) in word_changes {
        put_word(connection, &word, change).await?;
    }
    Ok(changed)
}

/// The number of the product and the texts that were indexed for it, if it is put.
async fn put_product(
    connection: &mut SqliteConnection,
    product: &Product,
    replace: Replace,
) -> Result<Option<(i64, Option<String>)>, sqlx::Error> {
    sqlx::query_as(
        "INSERT INTO products (id, version, name, category, price_cents) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, name = excluded.name,
             category = excluded.category, price_cents = excluded.price_cents
         WHERE excluded.version > version OR ($6 AND excluded.version = version)
         RETURNING number,
             (SELECT texts.name || ' ' || texts.category || ' ' || texts.description FROM texts WHERE rowid = number)",
    )
    .bind(product.id.as_str())
    .bind(product.version)
    .bind(&product.name)
    .bind(&product.category)
    .bind(product.price_cents.0)
    .bind(replace == Replace::OlderOrSame)
    .fetch_optional(connection)
    .await
}

async fn put_texts(
    connection: &mut SqliteConnection,
    number: i64,
    product: &Product,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO texts (rowid, name, category, description) VALUES ($1, $2, $3, $4)",
    )
    .bind(number)
    .bind(&product.name)
    .bind(&product.category)
    .bind(&product.description)
    .execute(connection)
    .await
    .map(drop)
}

async fn put_word(
    connection: &mut SqliteConnection,
    word: &str,
    change: i64,
) -> Result<(), sqlx::Error> {
    if change == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO words (word, reversed, products) VALUES ($1, $2, $3)
         ON CONFLICT (word) DO UPDATE SET products = products + excluded.products",
    )
    .bind(word)
    .bind(word.chars().rev().collect::<String>())
    .bind(change)
    .execute(&mut *connection)
    .await?;
    if change < 0 {
        sqlx::query("DELETE FROM words WHERE word = $1 AND products = 0")
            .bind(word)
            .execute(connection)
            .await?;
    }
    Ok(())
}
