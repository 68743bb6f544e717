//! How products get into the index: the writing half of this engine.

use std::{borrow::Borrow, collections::BTreeMap};

use api::Product;
use sqlx::{FromRow, SqliteConnection};

use crate::text::words::{FORM, distinct, indexed, texts};

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

/// What is searched of a product.
#[derive(FromRow)]
struct Texts {
    number: i64,
    name: String,
    category: String,
    description: String,
}

impl Texts {
    fn of(number: i64, product: &Product) -> Self {
        Self {
            number,
            name: product.name.clone(),
            category: product.category.clone(),
            description: product.description.clone(),
        }
    }

    /// Counts every word of it once more, or once less.
    fn count(&self, by: i64, changes: &mut WordChanges) {
        let all = texts(&self.name, &self.category, &self.description);
        for word in distinct(&all) {
            *changes.entry(word).or_default() += by;
        }
    }
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
        let before = texts_of(connection, product).await?;
        if let Some(number) = put_product(connection, product, replace).await? {
            let texts = Texts::of(number, product);
            put_description(connection, &texts).await?;
            put_texts(connection, &texts).await?;
            if let Some(before) = before {
                before.count(-1, &mut word_changes);
            }
            texts.count(1, &mut word_changes);
            changed += 1;
        }
    }
    put_words(connection, word_changes).await?;
    Ok(changed)
}

/// Products whose words are written anew at once.
const RENEWED_AT_ONCE: i64 = 1_000;

/// Writes the words of all products anew, in a transaction of the caller's, if they have another form than ours. Returns how
/// many products that were.
pub(super) async fn renew(connection: &mut SqliteConnection) -> Result<usize, sqlx::Error> {
    let form: i64 = sqlx::query_scalar("SELECT number FROM form")
        .fetch_one(&mut *connection)
        .await?;
    if form == FORM {
        return Ok(0);
    }
    for emptied in [
        "INSERT INTO texts (texts) VALUES ('delete-all')",
        "DELETE FROM words",
    ] {
        sqlx::query(emptied).execute(&mut *connection).await?;
    }
    let (mut renewed, mut last, mut word_changes) = (0, i64::MIN, WordChanges::new());
    loop {
        let some = texts_after(connection, last).await?;
        let Some(end) = some.last() else {
            break;
        };
        last = end.number;
        for texts in &some {
            put_texts(connection, texts).await?;
            texts.count(1, &mut word_changes);
        }
        renewed += some.len();
    }
    put_words(connection, word_changes).await?;
    sqlx::query("UPDATE form SET number = $1")
        .bind(FORM)
        .execute(connection)
        .await?;
    Ok(renewed)
}

/// What was indexed for this product.
async fn texts_of(
    connection: &mut SqliteConnection,
    product: &Product,
) -> Result<Option<Texts>, sqlx::Error> {
    sqlx::query_as(
        "SELECT number, name, category, description FROM products JOIN descriptions USING (number) WHERE id = $1",
    )
    .bind(product.id.as_str())
    .fetch_optional(connection)
    .await
}

async fn texts_after(
    connection: &mut SqliteConnection,
    number: i64,
) -> Result<Vec<Texts>, sqlx::Error> {
    sqlx::query_as(
        "SELECT number, name, category, description FROM products JOIN descriptions USING (number)
         WHERE number > $1 ORDER BY number LIMIT $2",
    )
    .bind(number)
    .bind(RENEWED_AT_ONCE)
    .fetch_all(connection)
    .await
}

/// The number of the product, if it is put.
async fn put_product(
    connection: &mut SqliteConnection,
    product: &Product,
    replace: Replace,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO products (id, version, name, category, price_cents) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, name = excluded.name,
             category = excluded.category, price_cents = excluded.price_cents
         WHERE excluded.version > version OR ($6 AND excluded.version = version)
         RETURNING number",
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

async fn put_description(
    connection: &mut SqliteConnection,
    texts: &Texts,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO descriptions (number, description) VALUES ($1, $2)")
        .bind(texts.number)
        .bind(&texts.description)
        .execute(connection)
        .await
        .map(drop)
}

async fn put_texts(connection: &mut SqliteConnection, texts: &Texts) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO texts (rowid, name, category, description) VALUES ($1, $2, $3, $4)",
    )
    .bind(texts.number)
    .bind(indexed(&texts.name))
    .bind(indexed(&texts.category))
    .bind(indexed(&texts.description))
    .execute(connection)
    .await
    .map(drop)
}

async fn put_words(
    connection: &mut SqliteConnection,
    changes: WordChanges,
) -> Result<(), sqlx::Error> {
    for (word, change) in changes {
        put_word(connection, &word, change).await?;
    }
    Ok(())
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
