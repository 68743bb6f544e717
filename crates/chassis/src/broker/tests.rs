//! What a broker does, whichever it is.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use api::{CancelReason, Event, Fact};
use tempfile::TempDir;

use super::*;
use crate::clock::{new_id, now_ms, rfc3339};

fn url(data: &TempDir) -> BrokerUrl {
    BrokerUrl::Sqlite(data.path().join("broker.db"))
}

fn event(fact: Fact) -> Event {
    Event {
        specversion: "1.0".into(),
        id: new_id("e"),
        source: "/test".into(),
        subject: "o-1".into(),
        time: rfc3339(now_ms()),
        traceparent: None,
        tracestate: None,
        requestid: None,
        fact,
    }
}

fn cancelled() -> Event {
    event(Fact::OrderCancelled {
        reason: CancelReason::TimedOut,
    })
}

#[tokio::test]
async fn an_event_goes_to_every_queue_that_wants_it_and_to_no_other() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::open(&url(&data)).await.unwrap();
    let sent = cancelled();
    broker.publish(std::slice::from_ref(&sent)).await.unwrap();
    for queue in api::QUEUES {
        let wanted = queue.types.contains(&"order.cancelled");
        let got = broker.claim(queue.name, 10).await.unwrap();
        assert_eq!(got.len(), usize::from(wanted), "{}", queue.name);
        for delivery in got {
            assert_eq!(serde_json::from_str::<Event>(&delivery.body).unwrap(), sent);
        }
    }
}

#[tokio::test]
async fn what_is_claimed_is_nobody_elses_until_it_is_settled() {
    let data = tempfile::tempdir().unwrap();
    let (one, other) = (
        Broker::open(&url(&data)).await.unwrap(),
        Broker::open(&url(&data)).await.unwrap(),
    );
    one.publish(&[cancelled(), cancelled()]).await.unwrap();
    let first = one.claim("payments", 1).await.unwrap();
    let second = other.claim("payments", 10).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].event_id, second[0].event_id);
    other
        .settle(&second[0], Settlement::Retry(Duration::ZERO))
        .await
        .unwrap();
    let again = one.claim("payments", 10).await.unwrap();
    assert_eq!(
        (&again[0].event_id, again[0].attempt),
        (&second[0].event_id, 2)
    );
    // The first consumer's lease is over by now, and what it says does not count.
    other.settle(&second[0], Settlement::Done).await.unwrap();
    let depth = one.depth("payments").await.unwrap();
    assert_eq!(depth.messages, 2);
    for delivery in first.iter().chain(&again) {
        one.settle(delivery, Settlement::Done).await.unwrap();
    }
    assert_eq!(one.depth("payments").await.unwrap().messages, 0);
}

#[tokio::test]
async fn a_postponed_delivery_was_no_try() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::open(&url(&data)).await.unwrap();
    broker.publish(&[cancelled()]).await.unwrap();
    for _ in 0..3 {
        let claimed = broker.claim("payments", 1).await.unwrap();
        assert_eq!(claimed[0].attempt, 1);
        let postpone = Settlement::Postpone(Duration::ZERO);
        broker.settle(&claimed[0], postpone).await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_letter_is_out_of_the_way_until_it_is_put_back() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::open(&url(&data)).await.unwrap();
    broker.publish(&[cancelled()]).await.unwrap();
    let claimed = broker.claim("payments", 1).await.unwrap();
    broker
        .settle(&claimed[0], Settlement::Dead("internal"))
        .await
        .unwrap();
    let depth = broker.depth("payments").await.unwrap();
    assert_eq!((depth.messages, depth.dead_letters), (0, 1));
    let letters = broker.dead_letters("payments").await.unwrap();
    assert_eq!(letters[0].event_id, claimed[0].event_id);
    assert_eq!(letters[0].reason, "internal");
    assert_eq!(broker.replay_dead_letters("payments").await.unwrap(), 1);
    let again = broker.claim("payments", 1).await.unwrap();
    assert_eq!(
        (&again[0].event_id, again[0].attempt),
        (&claimed[0].event_id, 1)
    );
}

/// Events each producer publishes, and how many a second.
const EVENTS: u32 = 500;
const RATE: u32 = 125;

/// What one consumer saw: how often which event came, and the longest time between sending and claiming.
type Seen = (BTreeMap<String, u32>, Duration);

/// Four producers, five consumers, and two threads that do nothing but take time away, each with a runtime and connections
/// of its own, as separate processes have.
#[test]
fn nobody_starves_with_busy_cores() {
    let data = tempfile::tempdir().unwrap();
    let url = url(&data);
    let kinds: [fn() -> Fact; 4] = [
        || Fact::OrderConfirmed {},
        || Fact::StockRejected {},
        || Fact::PaymentDeclined {},
        || Fact::ProductChanged(api::seed(1).next().unwrap()),
    ];
    let over = Arc::new(AtomicBool::new(false));
    let spinners: Vec<_> = (0..2)
        .map(|_| {
            let over = Arc::clone(&over);
            thread::spawn(move || while !over.load(Ordering::Relaxed) {})
        })
        .collect();
    let consumers: Vec<_> = ["inventory", "orders", "orders", "search", "search"]
        .into_iter()
        .map(|queue| {
            let (url, over) = (url.clone(), Arc::clone(&over));
            thread::spawn(move || run(consume(url, queue, over)))
        })
        .collect();
    let producers: Vec<_> = kinds
        .into_iter()
        .map(|fact| {
            let url = url.clone();
            thread::spawn(move || run(produce(url, fact)))
        })
        .collect();
    for producer in producers {
        producer.join().unwrap();
    }
    run(drained(url));
    over.store(true, Ordering::Relaxed);
    let mut seen = BTreeMap::new();
    let mut worst = Duration::ZERO;
    for consumer in consumers {
        let (events, lag) = consumer.join().unwrap();
        worst = worst.max(lag);
        for (id, times) in events {
            *seen.entry(id).or_insert(0) += times;
        }
    }
    for spinner in spinners {
        spinner.join().unwrap();
    }
    assert_eq!(seen.len(), 4 * EVENTS as usize, "every event arrived");
    assert!(seen.values().all(|it| *it == 1), "and none of them twice");
    assert!(
        worst < Duration::from_secs(1),
        "the worst lag was {worst:?}"
    );
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

async fn produce(url: BrokerUrl, fact: fn() -> Fact) {
    let broker = Broker::open(&url).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    for _ in 0..EVENTS {
        ticks.tick().await;
        broker.publish(&[event(fact())]).await.unwrap();
    }
}

async fn consume(url: BrokerUrl, queue: &'static str, over: Arc<AtomicBool>) -> Seen {
    let broker = Broker::open(&url).await.unwrap();
    let (mut events, mut worst) = (BTreeMap::new(), Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let claimed = broker.claim(queue, 16).await.unwrap();
        for delivery in &claimed {
            // The id begins with the microseconds of its making.
            let made = i64::from_str_radix(&delivery.event_id[2..18], 16).unwrap() / 1000;
            let lag = u64::try_from(now_ms() - made).unwrap_or(0);
            worst = worst.max(Duration::from_millis(lag));
            *events.entry(delivery.event_id.clone()).or_insert(0) += 1;
            broker.settle(delivery, Settlement::Done).await.unwrap();
        }
        if claimed.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    (events, worst)
}

async fn drained(url: BrokerUrl) {
    let broker = Broker::open(&url).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    for queue in api::QUEUES.iter().filter(|it| it.name != "payments") {
        while broker.depth(queue.name).await.unwrap().messages > 0 {
            assert!(Instant::now() < deadline, "{} is not empty", queue.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
