//! Two versions of orders at one database. The version before is frozen here as it was: its tables, its statements, its answers.

use api::{CardNumber, Cents, GOOD_CARD, NewOrder, Order, PlacedOrder, SealedCard};
use chassis::{Host, new_id};
use clap::Parser as _;
use database::{Database, Migrations, Options};
use serde::Deserialize;
use sqlx::migrate::Migrator;
use testbed::{Databases, eventually, on_every_database};

use super::*;
use crate::{Config, placing::Placement, store::MIGRATIONS};

on_every_database! {
    replicas_of_the_version_before_go_on_and_what_they_leave_out_is_filled_in,
    whatever_one_version_answered_the_other_repeats,
    another_currency_than_those_known_is_not_read,
}

/// The columns that it reads.
type RowBefore = (String, String, String, Option<String>, String, i64, i64);

/// A replica of the version before.
struct Before(Database);

impl Before {
    async fn start(data: &Databases) -> Self {
        let first = |it: &Migrator| {
            let known = it.iter().filter(|it| it.version == 1).cloned();
            Migrator::with_migrations(known.collect())
        };
        let migrations = Migrations {
            sqlite: first(&MIGRATIONS.sqlite),
            postgres: first(&MIGRATIONS.postgres),
        };
        let options = Options {
            // So that statements are prepared before the tables change, and used again afterwards.
            connections: 1,
            // It may take its time, and no limit but that of the migration is seen.
            statement_timeout: Duration::from_secs(20),
            ..Options::from(data.url("orders").await.parse::<database::Url>().unwrap())
        };
        Self(Database::open(&options, &migrations).await.unwrap())
    }

    async fn place(&self, id: &str) {
        let mut transaction = self.0.write().await.unwrap();
        let placed = query(
            "INSERT INTO orders (id, user_id, idempotency_key, status, items, total_cents, created_at, deadline,
                 traceparent, tracestate, request_id)
             VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(id)
        .bind("u-1")
        .bind(id)
        .bind("[]")
        .bind(500)
        .bind(1)
        .bind(i64::MAX)
        .bind(None::<&str>)
        .bind(None::<&str>)
        .bind(None::<&str>)
        .execute(&mut transaction)
        .await;
        assert_eq!(placed.unwrap(), 1);
        transaction.commit().await.unwrap();
    }

    async fn read(&self, id: &str) -> (String, i64) {
        let row: Option<RowBefore> = query(
            "SELECT id, idempotency_key, status, reason, items, total_cents, created_at FROM orders WHERE id = $1 AND user_id = $2",
        )
        .bind(id)
        .bind("u-1")
        .fetch_optional(self.0.readers())
        .await
        .unwrap();
        let (_, _, status, _, _, total_cents, _) = row.unwrap();
        (status, total_cents)
    }

    async fn answer(&self, key: &str, answer: &str) {
        let mut transaction = self.0.write().await.unwrap();
        query("INSERT INTO idempotency (user_id, key, body_hash, answer, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind("u-1")
            .bind(key)
            .bind("one")
            .bind(answer)
            .bind(chassis::now_ms())
            .execute(&mut transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }
}

async fn this(data: &Databases) -> Store {
    let database = format!("--database-url={}", data.url("orders").await);
    let broker = format!("--broker-url={}", data.file("broker"));
    let keys = ["--card-key-file=unused", "--fingerprint-key-file=unused"];
    let own = ["orders", &database, &broker];
    let config = Config::parse_from(own.into_iter().chain(keys));
    Store::open(&config, &Host::default()).await.unwrap()
}

fn placement<'a>(key: &'a str, order: &'a NewOrder, user_id: &'a api::UserId) -> Placement<'a> {
    Placement {
        user_id,
        key,
        order,
        fingerprint: "one",
    }
}

fn new_order() -> NewOrder {
    NewOrder {
        items: Vec::new(),
        card_number: CardNumber(GOOD_CARD.into()),
    }
}

impl Store {
    async fn placed(&self, key: &str) -> Order {
        let (user_id, order) = ("u-1".parse().unwrap(), new_order());
        let placed = PlacedOrder {
            items: Vec::new(),
            total_cents: Cents(700),
            currency: Currency::Eur,
            card: SealedCard {
                key_id: String::new(),
                sealed: String::new(),
            },
        };
        let id = new_id("o").try_into().unwrap();
        let placed = self.place(placement(key, &order, &user_id), id, placed);
        placed.await.unwrap().unwrap()
    }

    async fn currency(&self, id: &str) -> Option<String> {
        let row: Option<(Option<String>,)> = query("SELECT currency FROM orders WHERE id = $1")
            .bind(id)
            .fetch_optional(self.database.readers())
            .await
            .unwrap();
        row.unwrap().0
    }

    async fn read(&self, id: &str) -> Result<Order, Error> {
        self.get(&"u-1".parse().unwrap(), &id.parse().unwrap())
            .await
    }
}

const OLD: &str = "o-000000000000000000000001";
const LATE: &str = "o-000000000000000000000002";

async fn replicas_of_the_version_before_go_on_and_what_they_leave_out_is_filled_in(
    data: Databases,
) {
    let before = Before::start(&data).await;
    before.place(OLD).await;
    assert_eq!(before.read(OLD).await, ("pending".into(), 500));

    let this = this(&data).await;
    let new = this.placed("new").await;
    assert_eq!(this.currency(new.id.as_str()).await.as_deref(), Some("EUR"));

    // It goes on with the connections and statements that it has.
    before.place(LATE).await;
    assert_eq!(before.read(OLD).await, ("pending".into(), 500));
    assert_eq!(before.read(new.id.as_str()).await, ("pending".into(), 700));
    // And one more of it may come.
    let another = Before::start(&data).await;
    assert_eq!(another.read(LATE).await, ("pending".into(), 500));

    for id in [OLD, LATE] {
        assert_eq!(this.currency(id).await, None);
        assert_eq!(this.read(id).await.unwrap().currency, Currency::Eur);
    }
    assert_eq!(this.fill_currencies().await.unwrap(), 2);
    assert_eq!(this.fill_currencies().await.unwrap(), 0);
    for id in [OLD, LATE, new.id.as_str()] {
        assert_eq!(this.currency(id).await.as_deref(), Some("EUR"));
        assert_eq!(this.read(id).await.unwrap().currency, Currency::Eur);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn who_reads_while_a_migration_waits_for_its_lock_is_answered() {
    let data = Databases::postgres().await;
    let (before, another) = (Before::start(&data).await, Before::start(&data).await);
    before.place(OLD).await;
    let mut long = before.0.write().await.unwrap();
    let rows = query("SELECT count(*) FROM orders").fetch_value(&mut long);
    let rows: i64 = rows.await.unwrap();
    assert_eq!(rows, 1);
    let meanwhile = async {
        let waits =
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass";
        eventually("the migration waits", async || {
            let waiting = query(waits).fetch_value(another.0.readers());
            let waiting: i64 = waiting.await.unwrap();
            waiting > 0
        })
        .await;
        // Behind the migration, until that gives up.
        assert_eq!(another.read(OLD).await, ("pending".into(), 500));
        long.commit().await.unwrap();
    };
    let (this, ()) = tokio::join!(this(&data), meanwhile);
    assert_eq!(this.read(OLD).await.unwrap().currency, Currency::Eur);
}

/// What the version before answered, and how it read that again.
#[derive(Debug, PartialEq, Deserialize)]
struct AnswerBefore {
    id: String,
    status: String,
    #[serde(default)]
    reason: Option<String>,
    items: Vec<serde_json::Value>,
    total_cents: i64,
    created_at: String,
}

async fn whatever_one_version_answered_the_other_repeats(data: Databases) {
    let before = Before::start(&data).await;
    let answer = format!(
        r#"{{"id":"{OLD}","status":"pending","items":[],"total_cents":500,"created_at":"2026-11-25T14:00:00Z"}}"#
    );
    before.answer("old", &answer).await;
    let this = this(&data).await;
    let (user_id, order) = ("u-1".parse().unwrap(), new_order());
    let repeated = this.answered(placement("old", &order, &user_id)).await;
    let repeated = repeated.unwrap().unwrap();
    assert_eq!(
        (repeated.id.as_str(), repeated.currency),
        (OLD, Currency::Eur)
    );

    let new = this.placed("new").await;
    let row: Option<(String,)> = query("SELECT answer FROM idempotency WHERE key = $1")
        .bind("new")
        .fetch_optional(before.0.readers())
        .await
        .unwrap();
    let read: AnswerBefore = serde_json::from_str(&row.unwrap().0).unwrap();
    assert_eq!((read.id.as_str(), read.total_cents), (new.id.as_str(), 700));
}

async fn another_currency_than_those_known_is_not_read(data: Databases) {
    let before = Before::start(&data).await;
    before.place(OLD).await;
    let this = this(&data).await;
    let mut transaction = this.database.write().await.unwrap();
    let set = query("UPDATE orders SET currency = 'USD'");
    set.execute(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(this.read(OLD).await.is_err());
    assert_eq!(this.fill_currencies().await.unwrap(), 0);
}
