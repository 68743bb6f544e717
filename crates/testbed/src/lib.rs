//! Where tests keep what they write and serve what they test: one suite runs on every kind of backing service.
//!
//! A test takes a [`Databases`] and opens what [`Databases::url`] names; [`on_every_database`] makes two tests of it, one on
//! `SQLite` and one on the `PostgreSQL` that `scripts/backends env` names.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

use axum::{Json, Router, routing::get};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::net::TcpListener;

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

/// Serves `app` on a port of its own until the test's runtime ends, and says where.
pub async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Publishes a set of keys as users does, and says where: what a service under test takes as `--users-addr`. However busy the
/// machine is, the keys are waited for.
pub async fn publish<K>(keys: K) -> String
where
    K: Serialize + Clone + Send + Sync + 'static,
{
    let answer = get(async move || Json(keys.clone()));
    let app = Router::new().route("/.well-known/jwks.json", answer);
    format!("http://{}?timeout=10s", serve(app).await)
}

/// Where the `PostgreSQL` database of the service called `name` is.
pub fn postgres(name: &str) -> String {
    let variable = format!("{}_DATABASE_URL", name.to_uppercase());
    env::var(&variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: eval \"$(scripts/backends env)\""))
}

/// Runs `scripts/backends` and returns what it prints.
pub fn backends(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/backends");
    let mut command = Command::new(script);
    command.args(arguments).envs(environment.iter().copied());
    let output = command.output().expect("scripts/backends runs");
    let (printed, said) = (&output.stdout, &output.stderr);
    let said = String::from_utf8_lossy(said);
    assert!(
        output.status.success(),
        "scripts/backends {arguments:?}: {said}"
    );
    String::from_utf8_lossy(printed).into_owned()
}

/// Tells whoever runs the tests what one ran on or measured.
#[expect(clippy::print_stdout, reason = "whoever runs the tests wants to know")]
pub fn show(what: &str) {
    println!("{what}");
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
