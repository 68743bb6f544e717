//! The rows of a confirmed order, in one commit: what a shop with one database would write.

use std::{path::Path, time::Instant};

use chassis::{new_id, now_ms};
use database::{Database, Migrations, Options, Transaction, Url, query};
use sqlx::migrate::Migrator;

use super::{Cost, commits, cpu};

/// The tables of orders, inventory and payments that a confirmed order is in, with other names where two are called the same. What only
/// a saga needs is left out: reservations, orders that are off, outboxes and inboxes.
const TABLES: [&str; 7] = [
    "CREATE TABLE orders (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, idempotency_key TEXT NOT NULL, status TEXT NOT NULL,
         items TEXT NOT NULL, total_cents BIGINT NOT NULL, created_at BIGINT NOT NULL)",
    "CREATE INDEX orders_by_user ON orders (user_id, id)",
    "CREATE TABLE idempotency (user_id TEXT NOT NULL, key TEXT NOT NULL, body_hash TEXT NOT NULL, answer TEXT NOT NULL,
         created_at BIGINT NOT NULL, PRIMARY KEY (user_id, key))",
    "CREATE TABLE stock (product_id TEXT PRIMARY KEY, initial BIGINT NOT NULL, on_hand BIGINT NOT NULL CHECK (on_hand >= 0))",
    "CREATE TABLE stock_ledger (seq INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL, product_id TEXT NOT NULL,
         effect TEXT NOT NULL, quantity BIGINT NOT NULL)",
    "CREATE TABLE captures (order_id TEXT PRIMARY KEY, amount_cents BIGINT NOT NULL)",
    "CREATE TABLE payment_ledger (seq INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL, effect TEXT NOT NULL,
         amount_cents BIGINT NOT NULL)",
];

/// Writes `orders` one after the other to a file in `dir`.
pub(super) async fn measure(dir: &Path, orders: u32) -> anyhow::Result<Cost> {
    let path = dir.join("one.db");
    let url: Url = format!("sqlite:{}", path.display())
        .parse()
        .map_err(anyhow::Error::msg)?;
    let none = Migrations {
        sqlite: Migrator::DEFAULT,
        postgres: Migrator::DEFAULT,
    };
    let database = Database::open(&Options::from(url), &none).await?;
    let mut transaction = database.write().await?;
    for table in TABLES {
        query(table).execute(&mut transaction).await?;
    }
    for number in 1..=1000 {
        let stock =
            query("INSERT INTO stock (product_id, initial, on_hand) VALUES ($1, 1000, 1000)");
        let stock = stock.bind(format!("p-{number:06}"));
        stock.execute(&mut transaction).await?;
    }
    transaction.commit().await?;

    let (before, used) = (commits(&path)?, cpu());
    let mut took = Vec::new();
    for number in 0..orders {
        let began = Instant::now();
        let mut transaction = database.write().await?;
        order(&mut transaction, number).await?;
        transaction.commit().await?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(Cost {
        orders,
        took,
        commits: commits(&path)? - before,
        messages: 0,
        cpu: cpu() - used,
    })
}

async fn order(transaction: &mut Transaction, number: u32) -> anyhow::Result<()> {
    let (id, key, now) = (new_id("o"), new_id("key"), now_ms());
    let product = format!("p-{:06}", 1 + number % 12);
    let items = format!(r#"[{{"product_id":"{product}","quantity":1,"price_cents":1999}}]"#);
    query(
        "INSERT INTO idempotency (user_id, key, body_hash, answer, created_at) VALUES ('u-1', $1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(&key)
    .bind("f".repeat(64))
    .bind(&items)
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    query(
        "INSERT INTO orders (id, user_id, idempotency_key, status, items, total_cents, created_at)
         VALUES ($1, 'u-1', $2, 'confirmed', $3, 1999, $4)",
    )
    .bind(&id)
    .bind(&key)
    .bind(&items)
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    query("UPDATE stock SET on_hand = on_hand - 1 WHERE product_id = $1")
        .bind(&product)
        .execute(&mut *transaction)
        .await?;
    query("INSERT INTO stock_ledger (order_id, product_id, effect, quantity) VALUES ($1, $2, 'sold', 1)")
        .bind(&id)
        .bind(&product)
        .execute(&mut *transaction)
        .await?;
    query("INSERT INTO captures (order_id, amount_cents) VALUES ($1, 1999)")
        .bind(&id)
        .execute(&mut *transaction)
        .await?;
    query(
        "INSERT INTO payment_ledger (order_id, effect, amount_cents) VALUES ($1, 'captured', 1999)",
    )
    .bind(&id)
    .execute(transaction)
    .await?;
    Ok(())
}
