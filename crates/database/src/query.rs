//! Queries whose one text every kind of database understands, and each of which is observed.
//!
//! A [`query`] takes one sample, and a span if its request is sampled, as the operation and table that its text names.
//! [`unobserved`] is for what nobody asked for or what is accounted for elsewhere: looks whether there is work, gauges, and the
//! embedded broker. A test keeps the list. Nor is there a sample for `BEGIN`, `COMMIT`, locks of no row, readiness checks and
//! migrations.
//!
//! `$1` names an argument; integers are `BIGINT`; ids and times come from here and not from the database; a sum is
//! `CAST(COALESCE(sum(x), 0) AS BIGINT)`.

use std::{borrow::Cow, future::Future};

use chassis::Error;
use sqlx::{
    Arguments, AssertSqlSafe, Encode, FromRow, PgConnection, PgPool, SqliteConnection, SqlitePool,
    Type,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};

use super::{
    Database, SqliteDatabase, SqliteTransaction, Transaction, failed,
    failure::{failed_in, reason},
    faults, pools,
};

/// What can be read from a row of every kind of database: tuples, and whatever derives [`FromRow`].
pub trait Record:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Record for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

/// An argument of a query.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `TEXT`.
    Text(Option<String>),
    /// `BIGINT`.
    Integer(Option<i64>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

/// Where a query runs: [`Database::readers`] or a transaction.
pub struct Executor<'c>(Target<'c>);

enum Target<'c> {
    SqliteReaders(&'c SqlitePool),
    Sqlite(&'c mut SqliteConnection),
    PostgresReaders(&'c PgPool),
    Postgres(&'c mut PgConnection),
}

impl Executor<'_> {
    fn system(&self) -> &'static str {
        match self.0 {
            Target::SqliteReaders(_) | Target::Sqlite(_) => super::SQLITE,
            Target::PostgresReaders(_) | Target::Postgres(_) => super::POSTGRESQL,
        }
    }
}

impl<'c> From<&'c Database> for Executor<'c> {
    fn from(database: &'c Database) -> Self {
        match database {
            Database::Sqlite(it) => it.into(),
            Database::Postgres(it) => Self(Target::PostgresReaders(it.pool())),
        }
    }
}

impl<'c> From<&'c SqliteDatabase> for Executor<'c> {
    fn from(database: &'c SqliteDatabase) -> Self {
        Self(Target::SqliteReaders(database.readers()))
    }
}

impl<'c> From<&'c mut Transaction> for Executor<'c> {
    fn from(transaction: &'c mut Transaction) -> Self {
        match transaction {
            Transaction::Sqlite(it) => it.into(),
            Transaction::Postgres(it) => Self(Target::Postgres(it)),
        }
    }
}

impl<'c> From<&'c mut SqliteTransaction> for Executor<'c> {
    fn from(transaction: &'c mut SqliteTransaction) -> Self {
        Self(Target::Sqlite(transaction))
    }
}

/// A query with its arguments.
#[must_use = "a query does nothing until it is executed"]
pub struct Query {
    sql: Cow<'static, str>,
    arguments: Vec<Value>,
    lock: &'static str,
    /// Operation and table.
    observed: Option<(&'static str, &'static str)>,
}

/// Only constants and names of arguments get into a query.
type Text = AssertSqlSafe<Cow<'static, str>>;

/// A query that reads `sql`.
pub fn query(sql: &'static str) -> Query {
    Query {
        observed: Some(operation_and_table(sql)),
        ..unobserved(sql)
    }
}

/// The same without a sample or a span.
pub fn unobserved(sql: &'static str) -> Query {
    Query {
        sql: Cow::Borrowed(sql),
        arguments: Vec::new(),
        lock: "",
        observed: None,
    }
}

/// What `sql` does, such as `SELECT`, and the first table it names; empty where it names none.
fn operation_and_table(sql: &'static str) -> (&'static str, &'static str) {
    let mut words = sql
        .split(|it: char| it.is_whitespace() || it == '(' || it == ')')
        .filter(|it| !it.is_empty());
    let operation = words.next().unwrap_or_default();
    if operation == "UPDATE" {
        return (operation, words.next().unwrap_or_default());
    }
    let _ = words.find(|it| ["FROM", "INTO"].contains(it));
    (operation, words.next().unwrap_or_default())
}

/// Runs `$call` on whichever kind of database `$target` is, with the query's text and arguments for that kind.
macro_rules! run {
    ($target:expr, $query:ident, |$executor:ident, $sql:ident, $arguments:ident| $call:expr) => {
        match $target.0 {
            Target::SqliteReaders($executor) => {
                let ($sql, $arguments) = $query.into_sqlite()?;
                $call
            }
            Target::Sqlite($executor) => {
                let ($sql, $arguments) = $query.into_sqlite()?;
                $call
            }
            Target::PostgresReaders($executor) => {
                let ($sql, $arguments) = $query.into_postgres()?;
                $call
            }
            Target::Postgres($executor) => {
                let ($sql, $arguments) = $query.into_postgres()?;
                $call
            }
        }
    };
}

impl Query {
    /// The next argument: `$1`, then `$2`, and so on.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.arguments.push(value.into());
        self
    }

    /// Goes on with `sql`.
    pub fn push(mut self, sql: &'static str) -> Self {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// Goes on with an argument.
    pub fn push_bind(mut self, value: impl Into<Value>) -> Self {
        self.arguments.push(value.into());
        let name = format!("${}", self.arguments.len());
        self.sql.to_mut().push_str(&name);
        self
    }

    /// Goes on with `(`, arguments with commas between them, and `)`. There has to be one at least.
    pub fn push_list<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        let mut before = "(";
        for value in values {
            self = self.push(before).push_bind(value);
            before = ", ";
        }
        self.push(")")
    }

    /// Locks what a `SELECT` in a transaction finds, in the order in which it finds it, until the transaction ends.
    /// Where only one transaction writes at a time there is nothing to lock.
    pub fn for_update(mut self) -> Self {
        self.lock = " FOR UPDATE";
        self
    }

    /// The same, and leaves out what others have locked instead of waiting for it.
    pub fn for_update_skip_locked(mut self) -> Self {
        self.lock = " FOR UPDATE SKIP LOCKED";
        self
    }

    /// Every row.
    pub async fn fetch_all<R: Record>(self, on: impl Into<Executor<'_>>) -> Result<Vec<R>, Error> {
        let on = on.into();
        let (system, observed) = (on.system(), self.observed);
        let fetch = async {
            run!(on, self, |executor, sql, arguments| {
                sqlx::query_as_with(sql, arguments)
                    .fetch_all(executor)
                    .await
            })
        };
        observe(system, observed, fetch).await
    }

    /// The first row, if there is one.
    pub async fn fetch_optional<R: Record>(
        self,
        on: impl Into<Executor<'_>>,
    ) -> Result<Option<R>, Error> {
        let on = on.into();
        let (system, observed) = (on.system(), self.observed);
        let fetch = async {
            run!(on, self, |executor, sql, arguments| {
                sqlx::query_as_with(sql, arguments)
                    .fetch_optional(executor)
                    .await
            })
        };
        observe(system, observed, fetch).await
    }

    /// The only column of the first row, which there always is.
    pub async fn fetch_value<T>(self, on: impl Into<Executor<'_>>) -> Result<T, Error>
    where
        (T,): Record,
    {
        let row: Option<(T,)> = self.fetch_optional(on).await?;
        let (value,) = row.ok_or(sqlx::Error::RowNotFound).map_err(failed)?;
        Ok(value)
    }

    /// Executes it and says how many rows were affected.
    pub async fn execute(self, on: impl Into<Executor<'_>>) -> Result<u64, Error> {
        let on = on.into();
        let (system, observed) = (on.system(), self.observed);
        let execute = async {
            run!(on, self, |executor, sql, arguments| {
                sqlx::query_with(sql, arguments)
                    .execute(executor)
                    .await
                    .map(|it| it.rows_affected())
            })
        };
        observe(system, observed, execute).await
    }

    fn into_sqlite(self) -> Result<(Text, SqliteArguments), sqlx::Error> {
        Ok((AssertSqlSafe(self.sql), arguments(self.arguments)?))
    }

    fn into_postgres(mut self) -> Result<(Text, PgArguments), sqlx::Error> {
        if !self.lock.is_empty() {
            self.sql.to_mut().push_str(self.lock);
        }
        Ok((AssertSqlSafe(self.sql), arguments(self.arguments)?))
    }
}

fn arguments<A: Arguments>(values: Vec<Value>) -> Result<A, sqlx::Error>
where
    Option<String>: for<'t> Encode<'t, A::Database> + Type<A::Database>,
    Option<i64>: for<'t> Encode<'t, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text),
            Value::Integer(number) => arguments.add(number),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

async fn observe<T>(
    system: &'static str,
    observed: Option<(&'static str, &'static str)>,
    run: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    let result = match observed {
        Some((operation, table)) => {
            let run = async {
                faults::strike().await?;
                run.await
            };
            telemetry::db(system, operation, table, reason, run).await
        }
        None => run.await,
    };
    // A transaction has its connection already.
    let pool = if system == super::SQLITE {
        pools::READERS
    } else {
        pools::DATABASE
    };
    result.map_err(|cause| failed_in(pool, cause))
}

#[cfg(test)]
mod tests {
    use super::operation_and_table;

    #[test]
    fn a_query_is_called_by_what_it_does_and_the_first_table_it_names() {
        for (sql, called) in [
            ("SELECT * FROM orders WHERE id = $1", ("SELECT", "orders")),
            (
                "INSERT INTO stock (product_id) VALUES ($1)",
                ("INSERT", "stock"),
            ),
            ("UPDATE outbox SET claimed_until = ", ("UPDATE", "outbox")),
            (
                "DELETE FROM inbox WHERE event_id IN (SELECT event_id FROM old)",
                ("DELETE", "inbox"),
            ),
            (
                "SELECT EXISTS (SELECT 1 FROM ledger)\n OR EXISTS (SELECT 1 FROM gone)",
                ("SELECT", "ledger"),
            ),
            ("SELECT 1", ("SELECT", "")),
        ] {
            assert_eq!(operation_and_table(sql), called, "{sql}");
        }
    }
}
