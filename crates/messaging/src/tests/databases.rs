//! The outbox and the inbox on every database.

use testbed::{Databases, on_every_database};

use super::*;

on_every_database! {
    two_replicas_share_an_outbox_and_tell_everything_once,
    an_event_is_new_once_and_again_only_if_its_effect_was_rolled_back,
    an_event_that_two_replicas_have_at_once_is_new_to_one,
}

async fn open(data: &Databases, service: &'static str) -> (Host, Messaging) {
    let url: database::Url = data.url(service).await.parse().unwrap();
    let database = Database::open(&url.into(), &Migrations::NONE).await;
    let database = database.unwrap();
    let broker: BrokerUrl = data.file("broker").parse().unwrap();
    let host = Host::default();
    let messaging = Messaging::open(&host, service, &broker.into(), &topology(), &database).await;
    (host, messaging.unwrap())
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
        hears
            .subscription
            .broker
            .depth("payments")
            .await
            .unwrap()
            .messages
            == 0
    })
    .await;
    let mut subjects = subjects.lock().unwrap();
    // A machine that stalls lets a lease run out, but replicas that tell what another is telling would double most of them.
    let all = subjects.len();
    assert!(all < EVENTS + EVENTS / 10, "{all} of {EVENTS} are told");
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!(subjects.len(), EVENTS);
}

fn heard() -> Event {
    Event {
        id: "e-1".into(),
        ..event("order.cancelled")
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
