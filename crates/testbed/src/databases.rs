//! Databases of a test's own, on every kind of database.

use std::{
    env,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::show;

/// Databases of a test's own, one for each name, all of one kind.
#[derive(Debug)]
pub struct Databases {
    files: TempDir,
    /// On `PostgreSQL`: where in each service's database this test has its tables.
    schema: Option<String>,
}

impl Databases {
    /// Files in a directory that goes with the test.
    pub async fn sqlite() -> Self {
        let mut connection = SqliteConnection::connect("sqlite::memory:")
            .await
            .expect("SQLite in memory");
        let version: String = sqlx::query_scalar("SELECT sqlite_version()")
            .fetch_one(&mut connection)
            .await
            .expect("its version");
        show(&format!("on SQLite {version}"));
        Self::new(None)
    }

    /// A schema in the databases of the server that `scripts/backends env` names.
    pub async fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let mut connection = PgConnection::connect(&postgres("orders"))
            .await
            .expect("PostgreSQL: scripts/backends up");
        let version: String = sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut connection)
            .await
            .expect("its version");
        show(&format!("on PostgreSQL {version}"));
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::new(Some(format!("test_{}_{number}", now.as_nanos())))
    }

    fn new(schema: Option<String>) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        Self { files, schema }
    }

    /// The URL of the database of the service called `name`.
    pub async fn url(&self, name: &str) -> String {
        let Some(schema) = &self.schema else {
            return self.file(name);
        };
        let url = postgres(name);
        let mut connection = PgConnection::connect(&url)
            .await
            .expect("PostgreSQL: scripts/backends up");
        let create = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
        sqlx::query(sqlx::AssertSqlSafe(create))
            .execute(&mut connection)
            .await
            .expect("a schema of its own");
        format!("{url}?options[search_path]={schema}")
    }

    /// The URL of a file, whatever the kind: for what is not under test.
    pub fn file(&self, name: &str) -> String {
        format!("sqlite:{}", self.path(&format!("{name}.db")).display())
    }

    /// A file of any kind that goes with the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}

/// Where the `PostgreSQL` database of the service called `name` is.
pub fn postgres(name: &str) -> String {
    let variable = format!("{}_DATABASE_URL", name.to_uppercase());
    env::var(&variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: eval \"$(scripts/backends env)\""))
}

/// Makes a test on each kind of database of every function that is named.
#[macro_export]
macro_rules! on_every_database {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($crate::Databases::sqlite().await).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test]
                #[ignore = "needs PostgreSQL: scripts/backends up"]
                async fn $test() {
                    super::$test($crate::Databases::postgres().await).await;
                }
            )+
        }
    };
}
