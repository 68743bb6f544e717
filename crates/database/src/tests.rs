//! What callers rely on, whichever kind of database it is; then what only a server does.

mod away;
mod full;
mod observed;

use sqlx::migrate::{Migration, MigrationType};
use testbed::{Databases, on_every_database};
use tokio::task::JoinSet;

use super::*;

on_every_database! {
    replicas_that_start_together_make_the_tables_once,
    a_replica_of_the_version_before_starts_on_the_tables_of_the_next,
    what_is_committed_is_seen_and_what_is_dropped_never_was,
    counting_at_once_loses_nothing,
    a_locked_key_is_waited_for_and_what_its_holder_wrote_is_seen,
    a_row_that_breaks_a_rule_takes_its_transaction_along,
    who_waits_too_long_for_a_connection_is_told_that_the_database_is_unavailable,
    arguments_come_back_as_they_were,
}

async fn open(data: &Databases) -> Database {
    open_with(data, &Options::default()).await
}

async fn open_with(data: &Databases, options: &Options) -> Database {
    let options = Options {
        url: data.url("orders").await.parse().unwrap(),
        ..options.clone()
    };
    let database = Database::open(&options, &Migrations::NONE).await.unwrap();
    let mut transaction = database.write().await.unwrap();
    query("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, count BIGINT, note TEXT)")
        .execute(&mut transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    database
}

async fn put(transaction: &mut Transaction, name: &str, count: i64) -> Result<u64, Error> {
    query("INSERT INTO counters (name, count) VALUES ($1, $2)")
        .bind(name)
        .bind(count)
        .execute(transaction)
        .await
}

async fn sum(database: &Database) -> i64 {
    query("SELECT CAST(COALESCE(sum(count), 0) AS BIGINT) FROM counters")
        .fetch_value(database.readers())
        .await
        .unwrap()
}

async fn replicas_that_start_together_make_the_tables_once(data: Databases) {
    let url: Url = data.url("orders").await.parse().unwrap();
    let replicas = (0..4).map(|_| async {
        let migrations = Migrations {
            sqlite: sqlx::migrate!("src/tests/migrations/sqlite"),
            postgres: sqlx::migrate!("src/tests/migrations/postgres"),
        };
        Database::open(&url.clone().into(), &migrations).await
    });
    for opened in futures_util::future::join_all(replicas).await {
        let database = opened.unwrap();
        let read = query("SELECT count(*) FROM notes").fetch_value(database.readers());
        let notes: i64 = read.await.unwrap();
        assert_eq!(notes, 0);
    }
}

async fn a_replica_of_the_version_before_starts_on_the_tables_of_the_next(data: Databases) {
    let url: Url = data.url("orders").await.parse().unwrap();
    let this = Migrations {
        sqlite: sqlx::migrate!("src/tests/migrations/sqlite"),
        postgres: sqlx::migrate!("src/tests/migrations/postgres"),
    };
    let add = sqlx::SqlStr::from_static("ALTER TABLE notes ADD COLUMN author TEXT");
    let add = Migration::new(2, "author".into(), MigrationType::Simple, add, false);
    let with = |it: &Migrator| {
        Migrator::with_migrations(it.iter().chain([&add]).cloned().collect::<Vec<_>>())
    };
    let next = Migrations {
        sqlite: with(&this.sqlite),
        postgres: with(&this.postgres),
    };
    Database::open(&url.clone().into(), &next).await.unwrap();
    let database = Database::open(&url.into(), &this).await.unwrap();
    let read = query("SELECT count(author) FROM notes").fetch_value(database.readers());
    let authors: i64 = read.await.unwrap();
    assert_eq!(authors, 0);
}

async fn what_is_committed_is_seen_and_what_is_dropped_never_was(data: Databases) {
    let database = open(&data).await;
    let mut transaction = database.write().await.unwrap();
    put(&mut transaction, "dropped", 1).await.unwrap();
    assert_eq!(sum(&database).await, 0, "it is not committed");
    drop(transaction);
    let mut transaction = database.write().await.unwrap();
    put(&mut transaction, "kept", 2).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(sum(&database).await, 2);
}

async fn counting_at_once_loses_nothing(data: Databases) {
    let (ours, theirs) = (open(&data).await, open(&data).await);
    let mut transaction = ours.write().await.unwrap();
    put(&mut transaction, "one", 0).await.unwrap();
    transaction.commit().await.unwrap();
    let mut counting = JoinSet::new();
    for database in [&ours, &theirs].repeat(4) {
        let database = database.clone();
        counting.spawn(async move {
            for _ in 0..10 {
                let mut transaction = database.write().await?;
                let count: i64 = query("SELECT count FROM counters WHERE name = 'one'")
                    .for_update()
                    .fetch_value(&mut transaction)
                    .await?;
                query("UPDATE counters SET count = $1 WHERE name = 'one'")
                    .bind(count + 1)
                    .execute(&mut transaction)
                    .await?;
                transaction.commit().await?;
            }
            Ok::<_, Error>(())
        });
    }
    for counted in counting.join_all().await {
        counted.unwrap();
    }
    assert_eq!(sum(&ours).await, 80);
}

async fn a_locked_key_is_waited_for_and_what_its_holder_wrote_is_seen(data: Databases) {
    let database = open(&data).await;
    let mut first = database.write().await.unwrap();
    first.lock("o-1").await.unwrap();
    put(&mut first, "o-1", 1).await.unwrap();
    let mut second = tokio::spawn({
        let database = database.clone();
        async move {
            let mut second = database.write().await?;
            second.lock("o-1").await?;
            query("SELECT count FROM counters WHERE name = 'o-1'")
                .fetch_value::<i64>(&mut second)
                .await
        }
    });
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "the key is not waited for");
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), 1);
}

async fn a_row_that_breaks_a_rule_takes_its_transaction_along(data: Databases) {
    let database = open(&data).await;
    let mut transaction = database.write().await.unwrap();
    put(&mut transaction, "one", 1).await.unwrap();
    let again = put(&mut transaction, "one", 1).await.unwrap_err();
    assert!(matches!(again, Error::Internal(_)), "{again:?}");
    drop(transaction);
    assert_eq!(sum(&database).await, 0);
    let mut transaction = database.write().await.unwrap();
    let twice = "INSERT INTO counters (name, count) VALUES ('one', 1) ON CONFLICT DO NOTHING";
    for inserted in [1, 0] {
        let rows = query(twice).execute(&mut transaction).await.unwrap();
        assert_eq!(rows, inserted);
    }
}

async fn who_waits_too_long_for_a_connection_is_told_that_the_database_is_unavailable(
    data: Databases,
) {
    let options = Options {
        connections: 1,
        acquire_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let database = open_with(&data, &options).await;
    let held = database.write().await.unwrap();
    let refused = database.write().await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    held.commit().await.unwrap();
    database.write().await.unwrap();
}

async fn arguments_come_back_as_they_were(data: Databases) {
    let database = open(&data).await;
    let mut transaction = database.write().await.unwrap();
    let odd = "'; DROP TABLE counters; -- ü\u{1f600}";
    for (name, count, note) in [(odd, Some(i64::MAX), None), ("b", None, Some(odd))] {
        query("INSERT INTO counters (name, count, note) VALUES ($1, $2, $3)")
            .bind(name)
            .bind(count)
            .bind(note)
            .execute(&mut transaction)
            .await
            .unwrap();
    }
    let found: Vec<(String, Option<i64>, Option<String>)> =
        query("SELECT name, count, note FROM counters WHERE count IS NULL OR count > ")
            .push_bind(0)
            .push(" AND name IN ")
            .push_list([odd, "b", "c"])
            .push(" ORDER BY count IS NULL")
            .fetch_all(&mut transaction)
            .await
            .unwrap();
    let expected = [
        (odd.to_owned(), Some(i64::MAX), None),
        ("b".to_owned(), None, Some(odd.to_owned())),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn two_that_wait_for_each_other_do_not_wait_for_ever() {
    let data = Databases::postgres().await;
    let database = open(&data).await;
    let mut setup = database.write().await.unwrap();
    for name in ["a", "b"] {
        put(&mut setup, name, 0).await.unwrap();
    }
    setup.commit().await.unwrap();
    let take = async |transaction: &mut Transaction, name: &str| {
        query("UPDATE counters SET count = count + 1 WHERE name = $1")
            .bind(name)
            .execute(transaction)
            .await
    };
    let (mut first, mut second) = (
        database.write().await.unwrap(),
        database.write().await.unwrap(),
    );
    take(&mut first, "a").await.unwrap();
    take(&mut second, "b").await.unwrap();
    // One of them is chosen to give way; the other goes on.
    let both: [Option<Error>; 2] = tokio::join!(
        async {
            let taken = take(&mut first, "b").await;
            drop(first);
            taken.err()
        },
        async {
            let taken = take(&mut second, "a").await;
            drop(second);
            taken.err()
        }
    )
    .into();
    let unavailable = both
        .iter()
        .flatten()
        .all(|it| matches!(it, Error::Unavailable(_)));
    assert!(
        unavailable && both.iter().flatten().count() == 1,
        "{both:?}"
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn a_statement_over_its_time_is_ended() {
    let data = Databases::postgres().await;
    let options = Options {
        statement_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let database = open_with(&data, &options).await;
    let slow = query("SELECT 1 FROM pg_sleep(10)").execute(database.readers());
    let error = slow.await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    database.ping().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn no_role_can_read_the_database_of_another() {
    let names = ["users", "catalog", "orders", "inventory", "payments"];
    for ours in names {
        for theirs in names.iter().filter(|it| **it != ours) {
            let url = testbed::postgres(ours);
            let (server, _) = url.rsplit_once('/').unwrap();
            let url: Url = format!("{server}/{theirs}").parse().unwrap();
            let refused = Database::open(&url.into(), &Migrations::NONE).await;
            let error = format!("{:#}", refused.unwrap_err());
            let reason = format!("permission denied for database \"{theirs}\"");
            assert!(error.contains(&reason), "{ours} in {theirs}: {error}");
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn a_pool_says_how_many_of_its_connections_are_used() {
    let data = Databases::postgres().await;
    let database = open(&data).await;
    let held = [
        database.write().await.unwrap(),
        database.write().await.unwrap(),
    ];
    database.report_pools();
    let Database::Postgres(server) = &database else {
        panic!("it is PostgreSQL");
    };
    let [pool] = server.pools();
    assert_eq!(pool.used_of_max(), (2, 10));
    drop(held);
}

#[tokio::test]
async fn a_file_that_cannot_grow_makes_the_database_unavailable() {
    let data = Databases::sqlite().await;
    let database = open(&data).await;
    let mut transaction = database.write().await.unwrap();
    let pages: i64 = unobserved("PRAGMA max_page_count = 1")
        .fetch_value(&mut transaction)
        .await
        .unwrap();
    let long = "x".repeat(usize::try_from(pages).unwrap() * 65_536);
    let full = query("INSERT INTO counters (name, note) VALUES ('long', $1)")
        .bind(long)
        .execute(&mut transaction)
        .await;
    assert!(matches!(full, Err(Error::Unavailable(_))), "{full:?}");
}
