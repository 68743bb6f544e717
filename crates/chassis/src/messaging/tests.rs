//! From one service's transaction to another's.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use api::{CancelReason, Event, Fact};
use sqlx::migrate::Migrator;
use tempfile::TempDir;

use super::*;
use crate::{BrokerUrl, DatabaseUrl};

async fn open(data: &TempDir, service: &'static str) -> (Host, Messaging) {
    let url = DatabaseUrl::Sqlite(data.path().join(format!("{service}.db")));
    let none = Migrator::DEFAULT;
    let database = Database::open(&url, &none).await.unwrap();
    let broker = BrokerUrl::Sqlite(data.path().join("broker.db"));
    let host = Host::default();
    let messaging = Messaging::open(&host, service, &broker, &database).await;
    (host, messaging.unwrap())
}

async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !check().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn off() -> Fact {
    Fact::OrderCancelled {
        reason: CancelReason::TimedOut,
    }
}

async fn tell(messaging: &Messaging, subject: &str) {
    let mut transaction = messaging.database.write().await.unwrap();
    let told = messaging.tell(&mut transaction, subject, off()).await;
    told.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_rolled_back_is_never_told_and_what_is_committed_always() {
    let data = tempfile::tempdir().unwrap();
    let (_orders, orders) = open(&data, "orders").await;
    let (payments, heard) = open(&data, "payments").await;
    let subjects = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&subjects);
    heard.consume(&payments, move |event: Event| {
        seen.lock().unwrap().push(event.subject);
        std::future::ready(Ok(()))
    });
    let mut transaction = orders.database.write().await.unwrap();
    orders
        .tell(&mut transaction, "rolled-back", off())
        .await
        .unwrap();
    drop(transaction);
    tell(&orders, "committed").await;
    eventually("the committed event is heard", async || {
        subjects.lock().unwrap().len() == 1
    })
    .await;
    assert_eq!(*subjects.lock().unwrap(), ["committed"]);
    eventually("the outbox is empty", async || {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
            .fetch_one(orders.database.readers())
            .await
            .unwrap();
        left == 0
    })
    .await;
}

#[tokio::test]
async fn an_event_is_new_once_and_again_only_if_its_effect_was_rolled_back() {
    let data = tempfile::tempdir().unwrap();
    let (_host, messaging) = open(&data, "orders").await;
    tell(&messaging, "o-1").await;
    let event: Event = Event {
        specversion: "1.0".into(),
        id: "e-1".into(),
        source: "/test".into(),
        subject: "o-1".into(),
        time: rfc3339(now_ms()),
        traceparent: None,
        tracestate: None,
        requestid: None,
        fact: off(),
    };
    let mut is_new = Vec::new();
    for commit in [false, true, true] {
        let mut transaction = messaging.database.write().await.unwrap();
        is_new.push(messaging.is_new(&mut transaction, &event).await.unwrap());
        if commit {
            transaction.commit().await.unwrap();
        }
    }
    assert_eq!(is_new, [true, true, false]);
}

#[tokio::test]
async fn a_poison_event_is_given_up_and_blocks_nobody() {
    let data = tempfile::tempdir().unwrap();
    let (_orders, orders) = open(&data, "orders").await;
    let (host, payments) = open(&data, "payments").await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heard);
    payments.consume(&host, move |event: Event| {
        seen.lock().unwrap().push(event.subject.clone());
        std::future::ready(match event.subject.as_str() {
            "poison" => Err(Error::Internal(anyhow::anyhow!("it cannot be done"))),
            "panic" => panic!("a bug"),
            _ => Ok(()),
        })
    });
    for subject in ["poison", "panic", "good-1", "good-2"] {
        tell(&orders, subject).await;
    }
    let times = |subject: &str| {
        let heard = heard.lock().unwrap();
        heard.iter().filter(|it| *it == subject).count()
    };
    eventually("the good ones are heard", async || {
        times("good-1") + times("good-2") == 2
    })
    .await;
    assert!(times("poison") < 5, "they did not wait for the poison");
    eventually("the poison is given up", async || {
        payments
            .broker
            .depth("payments")
            .await
            .unwrap()
            .dead_letters
            == 1
    })
    .await;
    assert_eq!(times("poison"), 5);
    let letters = payments.broker.dead_letters("payments").await.unwrap();
    assert_eq!(
        (letters[0].attempts, letters[0].reason.as_str()),
        (5, "internal")
    );
}

#[tokio::test]
async fn an_event_waits_for_what_is_away_however_long_that_takes() {
    let data = tempfile::tempdir().unwrap();
    let (_orders, orders) = open(&data, "orders").await;
    let (host, payments) = open(&data, "payments").await;
    let tries = Arc::new(Mutex::new(0));
    let count = Arc::clone(&tries);
    payments.consume(&host, move |_: Event| {
        let mut tries = count.lock().unwrap();
        *tries += 1;
        std::future::ready(if *tries <= 6 {
            Err(Error::Unavailable("the bank"))
        } else {
            Ok(())
        })
    });
    tell(&orders, "o-1").await;
    eventually("it is done in the end", async || {
        *tries.lock().unwrap() == 7
    })
    .await;
    eventually("nothing is left of it", async || {
        let depth = payments.broker.depth("payments").await.unwrap();
        (depth.messages, depth.dead_letters) == (0, 0)
    })
    .await;
}
