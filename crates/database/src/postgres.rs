//! A `PostgreSQL` database that the replicas of a service share.

use std::{fmt, io, str::FromStr, time::Duration};

use anyhow::Context as _;
use chassis::Error;
use sqlx::{
    Connection as _, Executor as _, PgConnection, PgPool, Postgres,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};

use super::{
    Options, beside_the_next,
    failure::{failed_in, is_away},
    pools::{DATABASE, Pool},
};

/// The wait after the first failure to get at the database; each further one is twice as long, ...
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// ... and never longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long the server has, beyond what a statement may take, to answer one that nobody waits for any more.
const GRACE: Duration = Duration::from_secs(1);

/// A connection that was idle for longer is tested before it is used.
const TRUSTED: Duration = Duration::from_millis(500);

/// `postgres://ROLE:PASSWORD@HOST:PORT/DATABASE`. The password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        self.0.parse()
    }
}

impl FromStr for PostgresUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Self(text.to_owned());
        // The cause may quote the password.
        url.options()
            .map_err(|_| "expected postgres://ROLE:PASSWORD@HOST:PORT/DATABASE".to_owned())?;
        Ok(url)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(options) = self.options() else {
            return f.write_str("postgres:");
        };
        let (host, port) = (options.get_host(), options.get_port());
        write!(f, "postgres://{host}:{port}/")?;
        f.write_str(options.get_database().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A handle to the database; cloning shares its connections.
#[derive(Debug, Clone)]
pub struct PostgresDatabase {
    pool: PgPool,
}

impl PostgresDatabase {
    /// Brings the tables up to date, however long the database keeps us waiting for it.
    pub(super) async fn open(
        url: &PostgresUrl,
        options: &Options,
        migrations: &Migrator,
    ) -> anyhow::Result<Self> {
        let connect = url.options().context("read its URL")?;
        let limit = options.statement_timeout.as_millis().to_string();
        let patience = options.statement_timeout + GRACE;
        // A replica that hangs in the middle of a transaction holds its locks no longer than one that waits for an answer.
        let bounded = connect.options([
            ("statement_timeout", &limit),
            ("idle_in_transaction_session_timeout", &limit),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.acquire_timeout)
            // A connection is tested when it is given back; whether the server has gone since then is asked after a while only.
            .test_before_acquire(false)
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    if state.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            // sqlx tests it then too, but without end where the server has vanished; longer than this, no statement runs.
            .after_release(move |connection, _| {
                Box::pin(async move {
                    let silent = |_| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
                    timeout(patience, connection.ping())
                        .await
                        .map_err(silent)??;
                    Ok(true)
                })
            })
            .connect_lazy_with(bounded);
        let it = Self { pool };
        it.migrate(migrations).await?;
        Ok(it)
    }

    /// Replicas that start together do so one after the other: the migrator takes an advisory lock. A server that is away is
    /// tried again and again.
    pub(super) async fn migrate(&self, migrations: &Migrator) -> anyhow::Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error =
                match self.migrate_once(migrations).await {
                    Err(
                        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
                    ) if is_away(&error) => error,
                    other => return other.context("migrate the database"),
                };
            tracing::warn!(%error, ?pause, "database unavailable; retrying");
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn migrate_once(&self, migrations: &Migrator) -> Result<(), MigrateError> {
        let options = self.pool.connect_options();
        let mut connection = PgConnection::connect_with(&options).await?;
        // A migration, and the wait for that of another replica, may take longer than a statement of a request.
        connection
            .execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
            .await?;
        let migrations = beside_the_next(migrations);
        migrations.run_direct(None, &mut connection, false).await?;
        Ok(connection.close().await?)
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) async fn write(&self) -> Result<sqlx::Transaction<'static, Postgres>, Error> {
        let transaction = self.pool.begin().await;
        transaction.map_err(|cause| failed_in(DATABASE, cause))
    }

    pub(super) fn pools(&self) -> [Pool; 1] {
        [Pool::of(DATABASE, &self.pool)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url: PostgresUrl = "postgres://users:secret@db.example:5433/users"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:5433/users");
        assert_eq!(format!("{url:?}"), "postgres://db.example:5433/users");
        let bad = "postgres://users:secret@db.example:none/users";
        let error = bad.parse::<PostgresUrl>().unwrap_err();
        assert!(!error.contains("secret"));
    }
}
