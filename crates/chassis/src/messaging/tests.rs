//! From one service's transaction to another's.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use api::{CancelReason, Event, Fact};
use testbed::{Databases, on_every_database};

use super::*;
use crate::DatabaseOptions;

on_every_database! {
    what_is_rolled_back_is_never_told_and_what_is_committed_always,
    two_replicas_share_an_outbox_and_tell_everything_once,
    an_event_is_new_once_and_again_only_if_its_effect_was_rolled_back,
    an_event_that_two_replicas_have_at_once_is_new_to_one,
    a_poison_event_is_given_up_and_blocks_nobody,
    an_event_waits_for_what_is_away_however_long_that_takes,
}

async fn open(data: &Databases, service: &'static str) -> (Host, Messaging) {
    let url = data.url(service).await.parse().unwrap();
    let options = DatabaseOptions::default();
    let database = Database::open(&url, &options, &Migrations::NONE).await;
    let database = database.unwrap();
    let broker = data.file("broker").parse().unwrap();
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

async fn what_is_rolled_back_is_never_told_and_what_is_committed_always(data: Databases) {
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
        let left: i64 = query("SELECT count(*) FROM outbox")
            .fetch_value(orders.database.readers())
            .await
            .unwrap();
        left == 0
    })
    .await;
}

async fn two_replicas_share_an_outbox_and_tell_everything_once(data: Databases) {
    const EVENTS: usize = 600;
    let replicas = [open(&data, "orders").await, open(&data, "orders").await];
    let (payments, hears) = open(&data, "payments").await;
    let subjects = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&subjects);
    hears.consume(&payments, move |event: Event| {
        seen.lock().unwrap().push(event.subject);
        std::future::ready(Ok(()))
    });
    let telling = replicas
        .iter()
        .enumerate()
        .map(|(replica, (_, orders))| async move {
            for batch in 0..EVENTS / 20 {
                let mut transaction = orders.database.write().await.unwrap();
                for number in 0..10 {
                    let subject = format!("o-{replica}-{batch}-{number}");
                    let told = orders.tell(&mut transaction, &subject, off()).await;
                    told.unwrap();
                }
                transaction.commit().await.unwrap();
            }
        });
    futures_util::future::join_all(telling).await;
    eventually("everything is heard", async || {
        subjects.lock().unwrap().len() >= EVENTS
    })
    .await;
    eventually("nothing is left", async || {
        hears.broker.depth("payments").await.unwrap().messages == 0
    })
    .await;
    let mut subjects = subjects.lock().unwrap();
    assert_eq!(subjects.len(), EVENTS, "some are told twice");
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!(subjects.len(), EVENTS);
}

fn heard() -> Event {
    Event {
        specversion: "1.0".into(),
        id: "e-1".into(),
        source: "/test".into(),
        subject: "o-1".into(),
        time: rfc3339(now_ms()),
        traceparent: None,
        tracestate: None,
        requestid: None,
        fact: off(),
    }
}

async fn an_event_is_new_once_and_again_only_if_its_effect_was_rolled_back(data: Databases) {
    let (_host, messaging) = open(&data, "orders").await;
    let event = heard();
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

async fn an_event_that_two_replicas_have_at_once_is_new_to_one(data: Databases) {
    let (_ours, ours) = open(&data, "orders").await;
    let (_theirs, theirs) = open(&data, "orders").await;
    let process = async |messaging: &Messaging| {
        let mut transaction = messaging.database.write().await.unwrap();
        let new = messaging.is_new(&mut transaction, &heard()).await.unwrap();
        transaction.commit().await.unwrap();
        new
    };
    let (ours, theirs) = tokio::join!(process(&ours), process(&theirs));
    assert!(ours != theirs);
}

async fn a_poison_event_is_given_up_and_blocks_nobody(data: Databases) {
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

async fn an_event_waits_for_what_is_away_however_long_that_takes(data: Databases) {
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
