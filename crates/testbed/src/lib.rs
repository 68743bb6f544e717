//! What tests share: databases and servers of their own, doors before servers, and waiting for what comes true.
//!
//! A test takes a [`Databases`] and opens what [`Databases::url`] names; [`on_every_database`] makes two tests of it, one on
//! `SQLite` and one on the `PostgreSQL` that `scripts/backends env` names.

mod databases;
mod door;
mod poll;
#[cfg(feature = "shop")]
mod teller;

use std::{net::SocketAddr, path::Path, process::Command};

use axum::{Json, Router, routing::get};
use serde::Serialize;
use tokio::net::TcpListener;

pub use databases::{Databases, postgres};
pub use door::Door;
pub use poll::eventually;
#[cfg(feature = "shop")]
pub use teller::Teller;

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
