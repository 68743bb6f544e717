//! A server that is away, or of which nothing is heard any more.

use std::time::Duration;

use chassis::Error;
use testbed::{Databases, Door, eventually};
use tokio::time::timeout;

use crate::{Database, Migrations, Options, Url, query};

/// A shut door to the server of `url`, and the URL that leads through it.
async fn door(url: &str) -> (Door, Url) {
    let (before, rest) = url.split_once('@').unwrap();
    let (server, rest) = rest.split_once('/').unwrap();
    let door = Door::new(server).await;
    let url = format!("{before}@{}/{rest}", door.address());
    (door, url.parse().unwrap())
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn a_server_that_is_away_is_waited_for_and_used_again_when_it_is_back() {
    let data = Databases::postgres().await;
    let (door, url) = door(&data.url("orders").await).await;
    let options = Options {
        url,
        acquire_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let mut opening = tokio::spawn({
        let options = options.clone();
        async move { Database::open(&options, &Migrations::NONE).await }
    });
    let early = timeout(Duration::from_millis(300), &mut opening).await;
    assert!(early.is_err(), "it is tried again");
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
    let back = eventually("it is back", async || database.write().await.is_ok()).await;
    assert!(back < Duration::from_secs(10), "{back:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
async fn connections_that_have_fallen_silent_are_given_up() {
    let data = Databases::postgres().await;
    let (door, url) = door(&data.url("orders").await).await;
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
    let free = eventually("there is room", async || database.write().await.is_ok()).await;
    assert!(free < Duration::from_secs(20), "{free:?}");
}
