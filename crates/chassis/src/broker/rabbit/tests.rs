//! What only a server can do: go away, come back, and take nothing.

mod overhear;
mod places;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use api::{CancelReason, Fact};
use lapin::options::{BasicGetOptions, QueueDeleteOptions};
use tokio::time::{Instant, sleep};

use self::places::{Proxy, Server};
use super::*;
use crate::{
    Broker, BrokerUrl,
    broker::place::{Place, show},
    clock::{new_id, now_ms, rfc3339},
};

fn cancelled() -> Event {
    Event {
        specversion: "1.0".into(),
        id: new_id("e"),
        source: "/test".into(),
        subject: "o-1".into(),
        time: rfc3339(now_ms()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        tracestate: None,
        requestid: None,
        fact: Fact::OrderCancelled {
            reason: CancelReason::TimedOut,
        },
    }
}

async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !check().await {
        let waited = start.elapsed();
        assert!(waited < Duration::from_mins(1), "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

async fn is_empty(broker: &Broker) -> bool {
    let depth = broker.depth("payments").await;
    depth.is_ok_and(|it| (it.messages, it.dead_letters) == (0, 0))
}

#[tokio::test]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn a_message_says_beside_its_body_what_it_is_and_which_trace_it_belongs_to() {
    let place = Place::rabbit();
    let Broker::Rabbit(queues) = place.open().await else {
        unreachable!("it is RabbitMQ's place");
    };
    let event = cancelled();
    queues.publish(std::slice::from_ref(&event)).await.unwrap();
    let channel = queues.0.inward.lane().await.unwrap().channel;
    let name = queues.0.names.queue("payments");
    let got = channel.basic_get(name, BasicGetOptions::default()).await;
    let got = got.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<Event>(&got.data).unwrap(), event);
    assert_eq!(got.routing_key.as_str(), "order.cancelled");
    let headers = got.properties.headers().clone().unwrap();
    let header = |name: &str| {
        let value = headers.inner().get(name).and_then(|it| it.as_long_string());
        value.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
    };
    assert_eq!(header("cloudEvents:id"), Some(event.id));
    assert_eq!(header("cloudEvents:type").unwrap(), "order.cancelled");
    assert_eq!(header("cloudEvents:specversion").unwrap(), "1.0");
    assert_eq!(header("traceparent"), event.traceparent);
    place.clear().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_said_to_be_away() {
    let url: AmqpUrl = "amqp://127.0.0.1:1".parse().unwrap();
    let broker = Broker::open(&BrokerUrl::Rabbit(url)).await.unwrap();
    let start = Instant::now();
    assert!(broker.publish(&[cancelled()]).await.is_err());
    assert!(broker.claim("payments", 1).await.is_err());
    assert!(broker.depth("payments").await.is_err());
    assert!(broker.ping().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn a_queue_that_somebody_deleted_is_made_again() {
    let place = Place::rabbit();
    let broker = place.open().await;
    assert!(broker.claim("payments", 1).await.unwrap().is_empty());
    let Broker::Rabbit(queues) = &broker else {
        unreachable!("it is RabbitMQ's place");
    };
    let channel = queues.0.inward.lane().await.unwrap().channel;
    let (name, options) = (
        queues.0.names.queue("payments"),
        QueueDeleteOptions::default(),
    );
    channel.queue_delete(name, options).await.unwrap();
    let claim = async || broker.claim("payments", 1).await;
    eventually("it is missed", async || claim().await.is_err()).await;
    assert!(broker.clone().ping().await.is_err());
    eventually("it is there again", async || claim().await.is_ok()).await;
    assert_eq!(broker.clone().ping().await, Ok(()));
    broker.publish(&[cancelled()]).await.unwrap();
    let filled = async || claim().await.is_ok_and(|it| it.len() == 1);
    eventually("it fills", filled).await;
    place.clear().await;
}

/// A publisher and two consumers, each with connections of its own, that go on until told otherwise.
struct Load {
    confirmed: Arc<Mutex<BTreeSet<String>>>,
    seen: Arc<Mutex<BTreeSet<String>>>,
    publishing: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    async fn start(place: &Place) -> Self {
        let it = Self {
            confirmed: Arc::default(),
            seen: Arc::default(),
            publishing: Arc::new(AtomicBool::new(true)),
            over: Arc::default(),
            tasks: Vec::new(),
        };
        let broker = place.open().await;
        let mut tasks = vec![tokio::spawn(publish(
            broker,
            Arc::clone(&it.publishing),
            Arc::clone(&it.confirmed),
        ))];
        for _ in 0..2 {
            let broker = place.open().await;
            let (over, seen) = (Arc::clone(&it.over), Arc::clone(&it.seen));
            tasks.push(tokio::spawn(consume(broker, over, seen)));
        }
        Self { tasks, ..it }
    }

    fn confirmed(&self) -> usize {
        self.confirmed.lock().unwrap().len()
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// How long it takes until more is confirmed, and until more is seen.
    async fn recovery(&self) -> (Duration, Duration) {
        let (confirmed, seen) = (self.confirmed(), self.seen());
        let more = async || self.confirmed() > confirmed + 10;
        let more_seen = async || self.seen() > seen + 10;
        tokio::join!(
            eventually("more is confirmed", more),
            eventually("more is seen", more_seen)
        )
    }

    /// Stops, and says how many were confirmed, all of which somebody has seen.
    async fn finish(self, place: &Place) -> usize {
        self.publishing.store(false, Ordering::Relaxed);
        let missing = || {
            let (confirmed, seen) = (self.confirmed.lock().unwrap(), self.seen.lock().unwrap());
            confirmed.difference(&seen).count()
        };
        eventually("all that was confirmed is seen", async || missing() == 0).await;
        let broker = place.open().await;
        eventually("nothing is left", async || is_empty(&broker).await).await;
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let confirmed = self.confirmed.lock().unwrap();
        confirmed.len()
    }
}

async fn publish(broker: Broker, on: Arc<AtomicBool>, confirmed: Arc<Mutex<BTreeSet<String>>>) {
    while on.load(Ordering::Relaxed) {
        let batch: [Event; 20] = std::array::from_fn(|_| cancelled());
        // As the outbox does: until they are there.
        while let Err(error) = broker.publish(&batch).await {
            assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
            sleep(Duration::from_millis(50)).await;
        }
        let ids = batch.into_iter().map(|it| it.id);
        confirmed.lock().unwrap().extend(ids);
    }
}

async fn consume(broker: Broker, over: Arc<AtomicBool>, seen: Arc<Mutex<BTreeSet<String>>>) {
    while !over.load(Ordering::Relaxed) {
        let Ok(claimed) = broker.claim("payments", 16).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        for (number, delivery) in claimed.iter().enumerate() {
            // Every fifth has to come back from where it waits, or it is missed.
            let settlement = if delivery.attempt == 1 && number % 5 == 4 {
                Settlement::Retry(Duration::ZERO)
            } else {
                seen.lock().unwrap().insert(delivery.event_id.clone());
                Settlement::Done
            };
            // What was not settled comes again.
            _ = broker.settle(delivery, settlement).await;
        }
        broker.wait("payments", Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn lost_connections_are_made_again_and_nothing_confirmed_is_lost() {
    let direct = Place::rabbit();
    let proxy = Proxy::start(&direct.url).await;
    let place = proxy.place(&direct.url);
    let watcher = place.open().await;
    let load = Load::start(&place).await;
    for _ in 0..5 {
        load.recovery().await;
        proxy.cut();
    }
    load.recovery().await;
    proxy.refuse(true);
    let noticed = eventually("it says so", async || watcher.clone().ping().await.is_err()).await;
    sleep(Duration::from_secs(2)).await;
    assert!(watcher.clone().ping().await.is_err());
    proxy.refuse(false);
    let ready = eventually("it is ready", async || watcher.clone().ping().await.is_ok());
    let (ready, (confirmed, seen)) = tokio::join!(ready, load.recovery());
    let count = load.finish(&place).await;
    show(&format!(
        "connections cut: {count} confirmed and seen; noticed after {noticed:?}, ready again after {ready:?}, \
         published after {confirmed:?}, consumed after {seen:?}"
    ));
    direct.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn a_server_killed_under_load_loses_nothing_it_has_confirmed() {
    let server = Server::start(27_672).await;
    let place = Place::rabbit_at(&server.url);
    let watcher = place.open().await;
    let load = Load::start(&place).await;
    load.recovery().await;
    server.ctl(&["close_all_connections", "test"]).await;
    let closed = load.recovery().await;
    // It hangs: its connections are there, and no answers.
    server.signal("STOP").await;
    let silent = Instant::now();
    let errs = async || watcher.publish(&[cancelled()]).await.is_err();
    eventually("a publisher is told", errs).await;
    assert!(silent.elapsed() < Duration::from_secs(10));
    assert!(watcher.clone().ping().await.is_err());
    server.signal("CONT").await;
    let hung = load.recovery().await;
    server.signal("KILL").await;
    sleep(Duration::from_secs(3)).await;
    assert!(watcher.clone().ping().await.is_err());
    server.up().await;
    let ready = eventually("it is ready", async || watcher.clone().ping().await.is_ok());
    let (ready, (confirmed, seen)) = tokio::join!(ready, load.recovery());
    let count = load.finish(&place).await;
    show(&format!(
        "connections closed by the server: recovered after {closed:?}; server stopped and continued: recovered after {hung:?}; server killed: {count} confirmed and seen; \
         once it was up again, ready after {ready:?}, published after {confirmed:?}, consumed after {seen:?}"
    ));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn a_server_short_of_memory_or_disk_is_waited_for_and_still_consumed_from() {
    let server = Server::start(28_672).await;
    for (threshold, too_much, enough) in [
        ("set_vm_memory_high_watermark", "0.00001", "0.6"),
        ("set_disk_free_limit", "1000000GB", "50MB"),
    ] {
        let (alarm, remedy) = ([threshold, too_much], [threshold, enough]);
        takes_nothing_and_still_gives(&server, &alarm, &remedy).await;
    }
}

async fn takes_nothing_and_still_gives(server: &Server, alarm: &[&str], remedy: &[&str]) {
    let place = Place::rabbit_at(&server.url);
    let broker = place.open().await;
    broker.publish(&[cancelled(), cancelled()]).await.unwrap();
    server.ctl(alarm).await;
    let start = Instant::now();
    for _ in 0..3 {
        assert!(broker.publish(&[cancelled()]).await.is_err());
    }
    assert!(start.elapsed() < Duration::from_secs(12), "it has a limit");
    let said = broker.clone().ping().await.unwrap_err();
    assert!(said.contains("takes no messages"), "{said}");
    let mut claimed = Vec::new();
    eventually("two are there", async || {
        claimed.extend(broker.claim("payments", 10).await.unwrap());
        claimed.len() == 2
    })
    .await;
    broker.settle(&claimed[0], Settlement::Done).await.unwrap();
    // This one needs the publisher: it is kept until there is room.
    let retry = Settlement::Retry(Duration::ZERO);
    let (settled, ()) = tokio::join!(broker.settle(&claimed[1], retry), async {
        sleep(Duration::from_secs(1)).await;
        let depth = broker.depth("payments").await.unwrap();
        assert!(depth.messages >= 1, "it is still held");
        server.ctl(remedy).await;
    });
    settled.unwrap();
    let ready = eventually("it is ready", async || broker.clone().ping().await.is_ok()).await;
    broker.publish(&[cancelled()]).await.unwrap();
    show(&format!("{remedy:?}: ready after {ready:?}"));
    let mut again = None;
    eventually("the failed one comes again", async || {
        for delivery in broker.claim("payments", 10).await.unwrap() {
            if delivery.event_id == claimed[1].event_id {
                again = Some(delivery.attempt);
            }
            broker.settle(&delivery, Settlement::Done).await.unwrap();
        }
        again.is_some()
    })
    .await;
    assert_eq!(again, Some(2));
    eventually("nothing is left", async || is_empty(&broker).await).await;
}
