//! From one service's transaction to another's.

mod databases;
mod overhear;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt as _;
use testbed::eventually;
use tokio::sync::Semaphore;

use super::*;
use crate::broker::{Settlement, place::*};

on_every_broker! {
    what_is_rolled_back_is_never_told_and_what_is_committed_always
    what_cannot_be_read_stays_in_the_outbox_and_holds_nothing_up
    the_oldest_event_in_the_outbox_is_as_old_as_it_says
    a_poison_event_is_given_up_and_blocks_nobody
    an_event_waits_for_what_is_away_however_long_that_takes
    who_ends_leaves_nothing_behind_and_nothing_tried
}

async fn open(place: &Place, service: &'static str) -> (Host, Messaging) {
    let name = format!("{}.db", chassis::new_id(service));
    let url = database::Url::Sqlite(place.data.path().join(name));
    let database = Database::open(&url.into(), &Migrations::NONE).await;
    let database = database.unwrap();
    let host = Host::default();
    let messaging = Messaging::open(
        &host,
        service,
        &place.url.clone().into(),
        &topology(),
        &database,
    )
    .await;
    (host, messaging.unwrap())
}

fn off() -> serde_json::Value {
    fact("order.cancelled")
}

async fn tell(messaging: &Messaging, subject: &str) {
    let mut transaction = messaging.database.write().await.unwrap();
    let told = messaging.tell(&mut transaction, subject, off()).await;
    told.unwrap();
    transaction.commit().await.unwrap();
}

async fn what_is_rolled_back_is_never_told_and_what_is_committed_always(place: &Place) {
    let (_orders, orders) = open(place, "orders").await;
    let (payments, heard) = open(place, "payments").await;
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

async fn the_oldest_event_in_the_outbox_is_as_old_as_it_says(place: &Place) {
    let (_orders, orders) = open(place, "orders").await;
    assert_eq!(orders.oldest_in_outbox().await.unwrap(), Duration::ZERO);
    let mut event = Event::new("orders", "o-1", Origin::default(), off()).unwrap();
    event.time = chassis::rfc3339(now_ms() - 60_000);
    // Another replica has claimed it, and will never hand it over.
    let mut transaction = orders.database.write().await.unwrap();
    query("INSERT INTO outbox (body, claimed_until) VALUES ($1, $2)")
        .bind(serde_json::to_string(&event).unwrap())
        .bind(i64::MAX)
        .execute(&mut transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let age = orders.oldest_in_outbox().await.unwrap().as_secs();
    assert!((60..90).contains(&age), "{age}");
}

async fn what_cannot_be_read_stays_in_the_outbox_and_holds_nothing_up(place: &Place) {
    let (_orders, orders) = open(place, "orders").await;
    let mut transaction = orders.database.write().await.unwrap();
    query("INSERT INTO outbox (body) VALUES ($1)")
        .bind("{ of another version")
        .execute(&mut transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    tell(&orders, "readable").await;
    eventually("the readable one is handed over", async || {
        let depth = orders.subscription.broker.depth("payments").await;
        depth.unwrap().messages == 1
    })
    .await;
    let left = query("SELECT body FROM outbox").fetch_value(orders.database.readers());
    let left: String = left.await.unwrap();
    assert_eq!(left, "{ of another version");
}

async fn a_poison_event_is_given_up_and_blocks_nobody(place: &Place) {
    let (_orders, orders) = open(place, "orders").await;
    let (host, payments) = open(place, "payments").await;
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
            .subscription
            .broker
            .depth("payments")
            .await
            .unwrap()
            .dead_letters
            == 1
    })
    .await;
    assert_eq!(times("poison"), 5);
    let letters = payments
        .subscription
        .broker
        .dead_letters("payments")
        .await
        .unwrap();
    assert_eq!(
        (letters[0].attempts, letters[0].reason.as_str()),
        (5, "internal")
    );
}

async fn an_event_waits_for_what_is_away_however_long_that_takes(place: &Place) {
    let (_orders, orders) = open(place, "orders").await;
    let (host, payments) = open(place, "payments").await;
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
    eventually("it is tried", async || *tries.lock().unwrap() > 0).await;
    let waits = payments.overdue(Duration::ZERO) == 1;
    assert!(
        waits || *tries.lock().unwrap() == 7,
        "it waits between tries"
    );
    eventually("it is done in the end", async || {
        *tries.lock().unwrap() == 7
    })
    .await;
    eventually("it waits no more", async || {
        payments.overdue(Duration::ZERO) == 0
    })
    .await;
    eventually("nothing is left of it", async || {
        let depth = payments
            .subscription
            .broker
            .depth("payments")
            .await
            .unwrap();
        (depth.messages, depth.dead_letters) == (0, 0)
    })
    .await;
}

async fn who_ends_leaves_nothing_behind_and_nothing_tried(place: &Place) {
    let (_orders, orders) = open(place, "orders").await;
    let (leaving, first) = open(place, "payments").await;
    for number in 0..40 {
        tell(&orders, &format!("o-{number}")).await;
    }
    let begun = Arc::new(Mutex::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let (count, passes) = (Arc::clone(&begun), Arc::clone(&gate));
    first.consume(&leaving, move |_: Event| {
        *count.lock().unwrap() += 1;
        Arc::clone(&passes).acquire_owned().map(|_| Ok(()))
    });
    eventually("it is busy", async || *begun.lock().unwrap() >= 16).await;
    // None of them is done before it is told to end.
    let end = leaving.finish_work(Duration::from_secs(10));
    tokio::join!(biased; end, async { gate.add_permits(40) });
    let done = *begun.lock().unwrap();
    assert!(done < 40, "it began nothing once told to end");
    let mut rest = Vec::new();
    let (_host, second) = open(place, "payments").await;
    eventually("the rest is there", async || {
        let claimed = second
            .subscription
            .broker
            .claim("payments", 40)
            .await
            .unwrap();
        for delivery in &claimed {
            let done = second
                .subscription
                .broker
                .settle(delivery, Settlement::Done)
                .await;
            done.unwrap();
        }
        rest.extend(claimed);
        done + rest.len() == 40
    })
    .await;
    assert!(rest.iter().all(|it| it.attempt == 1));
}
