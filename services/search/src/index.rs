//! How products get into the index: the writing half of the store.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashSet},
};

use api::Product;
use sqlx::SqliteConnection;

use crate::words::words;

/// Nobody completes or mistypes a single letter, or what is longer than any word.
const WORD_LENGTHS: std::ops::RangeInclusive<usize> = 2..=40;

/// How many products more or fewer have a word.
type WordChanges = BTreeMap<String, i64>;

/// Puts each of `products` into the index unless it is there in this version or a newer one. Returns how many were put.
///
/// The connection is in a transaction, so that texts and words never disagree.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    products: impl IntoIterator<Item: Borrow<Product>>,
) -> Result<usize, sqlx::Error> {
    let (mut changed, mut word_changes) = (0, WordChanges::new());
    for product in products {
        let product = product.borrow();
        if let Some((number, before)) = put_product(connection, product).await? {
            put_texts(connection, number, product).await?;
            for word in distinct(&before.unwrap_or_default()) {
                *word_changes.entry(word).or_default() -= 1;
            }
            let Product {
                name,
                category,
                description,
                ..
            } = product;
            for word in distinct(&format!("{name} {category} {description}")) {
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

/// The number of the product and the texts that are indexed for it, if it was new or newer.
async fn put_product(
    connection: &mut SqliteConnection,
    product: &Product,
) -> Result<Option<(i64, Option<String>)>, sqlx::Error> {
    sqlx::query_as(
        "INSERT INTO products (id, version, name, category, price_cents) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, name = excluded.name,
             category = excluded.category, price_cents = excluded.price_cents
         WHERE excluded.version > version
         RETURNING number,
             (SELECT texts.name || ' ' || texts.category || ' ' || texts.description FROM texts WHERE rowid = number)",
    )
    .bind(product.id.as_str())
    .bind(product.version)
    .bind(&product.name)
    .bind(&product.category)
    .bind(product.price_cents)
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

/// The words of a product's texts, each once.
fn distinct(texts: &str) -> HashSet<String> {
    let mut words: HashSet<_> = words(texts).into_iter().collect();
    words.retain(|it| WORD_LENGTHS.contains(&it.chars().count()));
    words
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
