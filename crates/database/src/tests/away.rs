//! A server that is away, or of which nothing is heard any more.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chassis::Error;
use testbed::Databases;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{Database, Migrations, Options, Url, query};

/// Passes connections on to the server, and can stop doing so.
struct Door {
    address: std::net::SocketAddr,
    server: String,
    open: Mutex<Option<JoinSet<()>>>,
    /// Of the connections since it was made: nothing comes through them any more.
    silent: Mutex<CancellationToken>,
}

impl Door {
    /// A shut door, and the URL that leads through it.
    async fn new(url: &str) -> (Arc<Self>, Url) {
        let (before, rest) = url.split_once('@').unwrap();
        let (server, rest) = rest.split_once('/').unwrap();
        // Free at this moment, and ours soon.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        let url = format!("{before}@{address}/{rest}").parse().unwrap();
        let door = Self {
            address,
            server: server.to_owned(),
            open: Mutex::default(),
            silent: Mutex::default(),
        };
        (Arc::new(door), url)
    }

    async fn open(self: &Arc<Self>) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let door = Arc::clone(self);
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = TcpStream::connect(&door.server).await.unwrap();
                let silent = door.silent.lock().unwrap().clone();
                connections.spawn(async move {
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => (),
                        () = silent.cancelled() => std::future::pending().await,
                    }
                });
            }
        });
        *self.open.lock().unwrap() = Some(passing);
    }

    async fn shut(&self) {
        let passing = self.open.lock().unwrap().take();
        passing.unwrap().shutdown().await;
    }

    /// From now on nothing comes through the connections there are, which nobody closes; through new ones it does.
    fn silence(&self) {
        std::mem::take(&mut *self.silent.lock().unwrap()).cancel();
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn a_server_that_is_away_is_waited_for_and_used_again_when_it_is_back() {
    let data = Databases::postgres().await;
    let (door, url) = Door::new(&data.url("orders").await).await;
    let options = Options {
        url,
        acquire_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let opening = tokio::spawn({
        let options = options.clone();
        async move { Database::open(&options, &Migrations::NONE).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!opening.is_finished(), "it is tried again");
    door.open().await;
    let database = opening.await.unwrap().unwrap();
    database.clone().ping().await.unwrap();
    let mut cut_off = database.write().await.unwrap();
    door.shut().await;
    let error = query("SELECT 1").execute(&mut cut_off).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    drop(cut_off);
    let error = database.write().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    database.clone().ping().await.unwrap_err();
    door.open().await;
    let back = Instant::now();
    while database.write().await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(10), "it stays away");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn connections_that_have_fallen_silent_are_given_up() {
    let data = Databases::postgres().await;
    let (door, url) = Door::new(&data.url("orders").await).await;
    door.open().await;
    let options = Options {
        url,
        connections: 2,
        statement_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let database = Database::open(&options, &Migrations::NONE).await;
    let database = database.unwrap();
    let mut both = [
        database.write().await.unwrap(),
        database.write().await.unwrap(),
    ];
    door.silence();
    for held in &mut both {
        let asked = query("SELECT 1").execute(held);
        timeout(Duration::from_millis(100), asked)
            .await
            .unwrap_err();
    }
    drop(both);
    let dropped = Instant::now();
    while database.write().await.is_err() {
        assert!(
            dropped.elapsed() < Duration::from_secs(20),
            "they stay taken"
        );
    }
}
