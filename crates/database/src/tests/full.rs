//! A server that takes no more connections.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use testbed::{backends, eventually, show};

use super::*;

const PORT: &str = "27432";
/// What the server takes, of which three are kept for its superuser.
const CONNECTIONS: &str = "10";
const FOR_US: usize = 7;

/// A server that nobody else uses; it ends with this.
struct Server(TempDir);

impl Server {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        // The server runs as somebody else where we are root.
        std::fs::set_permissions(data.path(), Permissions::from_mode(0o755)).unwrap();
        let it = Self(data);
        it.run("up");
        it
    }

    fn run(&self, verb: &str) -> String {
        let data = self.0.path().to_str().unwrap();
        backends(
            &[verb, "postgres"],
            &[
                ("BACKENDS_DIR", data),
                ("BACKENDS_POSTGRES_PORT", PORT),
                ("BACKENDS_POSTGRES_CONNECTIONS", CONNECTIONS),
            ],
        )
    }

    fn url(&self) -> String {
        let printed = self.run("env");
        let mut lines = printed.lines();
        let url = lines.find_map(|it| it.strip_prefix("export ORDERS_DATABASE_URL="));
        url.unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("down");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn a_server_at_its_connection_limit_is_unavailable_until_there_is_room() {
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap();
    let url = server.url();
    let options = Options {
        url: url.parse().unwrap(),
        acquire_timeout: Duration::from_millis(500),
        ..Options::default()
    };
    let database = Database::open(&options, &Migrations::NONE).await;
    let database = database.unwrap();
    let mut crowd = Vec::new();
    while crowd.len() < FOR_US {
        // What the migration used may take a moment to go.
        if let Ok(it) = PgConnection::connect(&url).await {
            crowd.push(it);
        }
    }
    let before = pools::timeouts(pools::DATABASE);
    let asked = Instant::now();
    let refused = database.write().await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    let waited = asked.elapsed();
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    let said = database.clone().ping().await.unwrap_err();
    assert!(pools::timeouts(pools::DATABASE) > before, "it is counted");
    show(&format!(
        "refused after {waited:?}; readiness said {said:?}"
    ));
    for it in crowd {
        it.close().await.unwrap();
    }
    let room = eventually("there is room", async || database.write().await.is_ok()).await;
    assert!(room < Duration::from_secs(10), "{room:?}");
    database.ping().await.unwrap();
    show(&format!("with room again, used after {room:?}"));
}
