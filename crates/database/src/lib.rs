//! Database per service (<https://microservices.io/patterns/data/database-per-service.html>), in a file or at a server, chosen by URL.
//!
//! A query has one text for SQLite and `PostgreSQL`; only migrations come in two. Where the database is a file, replicas on one machine
//! share it and their writers take turns; at a server they run side by side, and what is read to be written is locked first. What is
//! away, too busy or lost a deadlock is `Unavailable`, so that trying again may help.
//!
//! **Use it** where a service should start without a server and run with one, unchanged. **Do not use it** for queries that need what
//! only one of the two has: take [`SqliteDatabase`] alone, as the shop's search does for FTS5, or sqlx itself.
//!
//! ```
//! use database::{Database, Migrations, Url, query};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! # let directory = tempfile::tempdir()?;
//! # let url = Url::Sqlite(directory.path().join("stock.db"));
//! // Or postgres://ROLE:PASSWORD@HOST:PORT/DATABASE.
//! let database = Database::open(&url.into(), &Migrations::NONE).await?;
//! let mut transaction = database.write().await?;
//! query("CREATE TABLE stock (product TEXT PRIMARY KEY, count BIGINT NOT NULL)").execute(&mut transaction).await?;
//! query("INSERT INTO stock VALUES ($1, $2)").bind("p-1").bind(7).execute(&mut transaction).await?;
//! transaction.commit().await?;
//! let count: i64 = query("SELECT count FROM stock WHERE product = $1")
//!     .bind("p-1")
//!     .fetch_value(database.readers())
//!     .await?;
//! assert_eq!(count, 7);
//! # Ok(())
//! # }
//! ```
//!
//! **It costs** sqlx with both drivers, SQLite built from C, and the crates `chassis` (errors, readiness) and `telemetry`.

mod failure;
mod faults;
mod pools;
mod postgres;
mod query;
mod sqlite;

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use anyhow::Context as _;
use chassis::{
    Error, Host,
    url::{path, scheme},
};
use sqlx::{Postgres, migrate::Migrator};

pub use failure::{failed, reason};
pub use postgres::{PostgresDatabase, PostgresUrl};
pub use query::{Executor, Query, Record, Value, query, unobserved};
pub use sqlite::{SqliteDatabase, SqliteTransaction};

/// What `db.system.name` calls them.
const SQLITE: &str = "sqlite";
const POSTGRESQL: &str = "postgresql";

/// The longest a round of work that no request waits for may take.
const ROUND: Duration = Duration::from_secs(30);

/// Does a round of work that no request waits for. It has a limit because a server that has vanished does not even say no.
///
/// # Errors
///
/// What the work says, or that the database is unavailable when the round takes too long.
pub async fn round<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let done = tokio::time::timeout(ROUND, work).await;
    done.unwrap_or(Err(Error::Unavailable("the database")))
}

/// Which database, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Url {
    /// `sqlite:PATH`: a file, made when missing. Replicas of the service share it.
    Sqlite(PathBuf),
    /// `postgres://ROLE:PASSWORD@HOST:PORT/DATABASE`.
    Postgres(PostgresUrl),
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = match scheme(text) {
            ("sqlite", rest) => path(rest).map(Self::Sqlite),
            ("postgres" | "postgresql", _) => return text.parse().map(Self::Postgres),
            _ => None,
        };
        url.ok_or_else(|| "expected sqlite:PATH or postgres://…".to_owned())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// A service's own database, and what a replica may ask of it; flatten them into the service's `Config`, which says where it
/// is by default: `mut_arg("database_url", |it| it.default_value("sqlite:orders.db"))`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "database")]
pub struct Options {
    /// Where the data is: sqlite:PATH or postgres://ROLE:PASSWORD@HOST:PORT/DATABASE
    #[arg(
        id = "database_url",
        long = "database-url",
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite:service.db",
        help_heading = "Database",
        value_name = "URL"
    )]
    pub url: Url,
    /// How many connections to a server a replica holds at most
    #[arg(id = "database_connections", long = "database-connections", env = "DATABASE_CONNECTIONS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT", help_heading = "Database")]
    pub connections: u32,
    /// The longest wait for one of them; whoever waits longer is answered 503
    #[arg(id = "database_acquire_timeout", long = "database-acquire-timeout", env = "DATABASE_ACQUIRE_TIMEOUT", default_value = "2s", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Database")]
    pub acquire_timeout: Duration,
    /// The longest a statement may take there, and a transaction may idle, before the server ends it
    #[arg(id = "database_statement_timeout", long = "database-statement-timeout", env = "DATABASE_STATEMENT_TIMEOUT", default_value = "3s", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Database")]
    pub statement_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: Url::Sqlite("service.db".into()),
            connections: 10,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(3),
        }
    }
}

/// The database at `url`, with the limits that it has by default.
impl From<Url> for Options {
    fn from(url: Url) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }
}

/// The tables of a database: the same for every kind, written in the words of each.
#[derive(Debug)]
pub struct Migrations {
    /// `migrations/sqlite`.
    pub sqlite: Migrator,
    /// `migrations/postgres`.
    pub postgres: Migrator,
}

impl Migrations {
    /// No tables.
    pub const NONE: Self = Self {
        sqlite: Migrator::DEFAULT,
        postgres: Migrator::DEFAULT,
    };
}

/// `migrations` for a database to which the next version may have applied others already: a replica of this version starts, and
/// starts again, beside it.
fn beside_the_next(migrations: &Migrator) -> Migrator {
    Migrator {
        migrations: migrations.migrations.clone(),
        table_name: migrations.table_name.clone(),
        ignore_missing: true,
        ..Migrator::DEFAULT
    }
}

/// A handle to the database; cloning shares its connections.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file.
    Sqlite(SqliteDatabase),
    /// A server.
    Postgres(PostgresDatabase),
}

impl From<SqliteDatabase> for Database {
    fn from(database: SqliteDatabase) -> Self {
        Self::Sqlite(database)
    }
}

impl Database {
    /// Opens the database and brings its tables up to date. Replicas that start together do so one after the other. A server
    /// that is away is waited for.
    pub async fn open(options: &Options, migrations: &Migrations) -> anyhow::Result<Self> {
        match &options.url {
            Url::Sqlite(path) => {
                let database = SqliteDatabase::open(path, &migrations.sqlite).await?;
                Ok(Self::Sqlite(database))
            }
            Url::Postgres(url) => {
                let database = PostgresDatabase::open(url, options, &migrations.postgres).await;
                let database = database.with_context(|| format!("open the database {url}"))?;
                Ok(Self::Postgres(database))
            }
        }
    }

    /// Makes further tables, those of another migration directory.
    pub async fn migrate(&self, migrations: &Migrations) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(it) => it.migrate(&migrations.sqlite).await,
            Self::Postgres(it) => it.migrate(&migrations.postgres).await,
        }
    }

    /// Has `/readyz` ask whether the database answers, and `/metrics` how busy its connections are.
    /// Faults of the host's database then happen to its operations.
    pub fn watch(&self, host: &Host) {
        faults::follow(host);
        let (asked, counted) = (self.clone(), self.clone());
        host.check("database", move || asked.clone().ping());
        host.gauge(move || {
            counted.report_pools();
            std::future::ready(())
        });
    }

    /// Where to read. What a reader sees is at least as new as the last commit before it began.
    pub fn readers(&self) -> Executor<'_> {
        self.into()
    }

    /// Begins a transaction that may write. Where the database is a file, only one runs at a time, over all replicas;
    /// elsewhere each statement sees what others have committed before it, and what must not change meanwhile is locked with
    /// [`Query::for_update`] or [`Transaction::lock`].
    pub async fn write(&self) -> Result<Transaction, Error> {
        match self {
            Self::Sqlite(it) => Ok(Transaction::Sqlite(it.write().await?)),
            Self::Postgres(it) => Ok(Transaction::Postgres(it.write().await?)),
        }
    }

    /// A readiness check: whether the database answers.
    pub async fn ping(self) -> Result<(), String> {
        let answer = match self {
            Self::Sqlite(it) => sqlx::query("SELECT 1").execute(it.readers()).await.err(),
            Self::Postgres(it) => sqlx::query("SELECT 1").execute(it.pool()).await.err(),
        };
        answer.map_or(Ok(()), |error| Err(error.to_string()))
    }

    fn report_pools(&self) {
        match self {
            Self::Sqlite(it) => it.pools().into_iter().for_each(pools::Pool::report),
            Self::Postgres(it) => it.pools().into_iter().for_each(pools::Pool::report),
        }
    }
}

/// A transaction that may write; dropped without [`Transaction::commit`], it is rolled back.
#[derive(Debug)]
pub enum Transaction {
    /// Holds the lock file.
    Sqlite(SqliteTransaction),
    /// Its isolation is READ COMMITTED.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Waits until no other transaction has locked `key`, and then keeps others from locking it until this one ends. What is
    /// read from then on includes all that those others committed.
    ///
    /// It stands for something that has no row yet, such as an order nobody has heard of. A transaction locks one key, before
    /// any row that others may want too.
    pub async fn lock(&mut self, key: &str) -> Result<(), Error> {
        match self {
            // No other transaction runs.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(it) => {
                sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                    .bind(key)
                    .execute(&mut **it)
                    .await
                    .map_err(failed)?;
                Ok(())
            }
        }
    }

    /// Makes everything written visible and durable, or nothing.
    pub async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(it) => it.commit().await,
            Self::Postgres(it) => it.commit().await.map_err(failed),
        }
    }
}

#[cfg(test)]
mod tests;
