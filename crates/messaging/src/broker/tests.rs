//! What a broker does, whichever it is.

pub(super) mod outage;
pub(super) mod overhear;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chassis::now_ms;
use testbed::show;

use super::{place::*, *};

on_every_broker! {
    an_event_goes_to_every_queue_that_wants_it_and_to_no_other
    what_is_claimed_is_nobody_elses_until_it_is_settled
    a_postponed_delivery_was_no_try
    a_failed_delivery_comes_again_and_says_how_often_it_was_tried
    a_dead_letter_is_out_of_the_way_until_it_is_put_back
    who_dies_leaves_its_deliveries_to_others
    a_delivery_that_was_forgotten_comes_again
    nobody_starves_with_busy_cores
}

#[cfg(not(feature = "kafka"))]
#[tokio::test]
async fn a_build_without_kafka_says_so_at_the_start() {
    let url = "kafka://127.0.0.1:9092".parse().unwrap();
    let error = Broker::open(&url, &topology()).await.unwrap_err();
    assert!(error.to_string().contains("--features kafka"), "{error}");
}

fn cancelled() -> Event {
    event("order.cancelled")
}

/// Claims from `queue`, through any of `brokers`, until there are `count` deliveries; with each, whose it is.
async fn claim_all(brokers: &[&Broker], queue: &str, count: usize) -> Vec<(usize, Delivery)> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut claimed = Vec::new();
    while claimed.len() < count {
        assert!(Instant::now() < deadline, "{} of {count}", claimed.len());
        for (who, broker) in brokers.iter().enumerate() {
            let got = broker.claim(queue, 10).await.unwrap();
            claimed.extend(got.into_iter().map(|it| (who, it)));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(claimed.len(), count);
    claimed
}

async fn claim(broker: &Broker, queue: &str) -> Delivery {
    claim_all(&[broker], queue, 1).await.remove(0).1
}

async fn settled(brokers: &[&Broker], queue: &str, dead_letters: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    for broker in brokers {
        loop {
            let depth = broker.depth(queue).await.unwrap();
            if (depth.messages, depth.dead_letters) == (0, dead_letters) {
                break;
            }
            assert!(Instant::now() < deadline, "{depth:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn an_event_goes_to_every_queue_that_wants_it_and_to_no_other(place: &Place) {
    let broker = place.open().await;
    let sent = cancelled();
    broker.publish(std::slice::from_ref(&sent)).await.unwrap();
    // Nobody listens to this one, which is no reason not to take it.
    let unheard = event("payment.refunded");
    broker.publish(&[unheard]).await.unwrap();
    for queue in topology().queues.iter() {
        let wanted = queue.types.contains(&"order.cancelled");
        let depth = broker.depth(queue.name).await.unwrap();
        assert_eq!(depth.messages, i64::from(wanted), "{}", queue.name);
        if wanted {
            let got = claim(&broker, queue.name).await;
            assert_eq!(serde_json::from_str::<Event>(&got.body).unwrap(), sent);
            assert_eq!((got.event_id, got.attempt), (sent.id.clone(), 1));
        }
    }
}

async fn what_is_claimed_is_nobody_elses_until_it_is_settled(place: &Place) {
    let queue = "payments";
    let (one, other) = (place.open().await, place.open().await);
    let both = [&one, &other];
    for broker in both {
        assert!(broker.claim(queue, 10).await.unwrap().is_empty());
    }
    one.publish(&[cancelled(), cancelled()]).await.unwrap();
    let claimed = claim_all(&both, queue, 2).await;
    let (kept, failed) = (&claimed[0], &claimed[1]);
    assert_ne!(kept.1.event_id, failed.1.event_id);
    for broker in both {
        assert!(broker.claim(queue, 10).await.unwrap().is_empty());
    }
    let retry = Settlement::Retry(Duration::ZERO);
    both[failed.0].settle(&failed.1, retry).await.unwrap();
    let again = claim_all(&both, queue, 1).await.remove(0);
    assert_eq!(
        (&again.1.event_id, again.1.attempt),
        (&failed.1.event_id, 2)
    );
    // It is not theirs any more, and what they say does not count.
    let late = both[failed.0].settle(&failed.1, Settlement::Done).await;
    late.unwrap();
    for (who, delivery) in [kept, &again] {
        let depth = both[*who].depth(queue).await.unwrap();
        assert!(depth.messages > 0, "it is being processed");
        let done = both[*who].settle(delivery, Settlement::Done).await;
        done.unwrap();
    }
    settled(&both, queue, 0).await;
}

async fn a_postponed_delivery_was_no_try(place: &Place) {
    let broker = place.open().await;
    broker.publish(&[cancelled()]).await.unwrap();
    for _ in 0..7 {
        let claimed = claim(&broker, "payments").await;
        assert_eq!(claimed.attempt, 1);
        let postpone = Settlement::Postpone(Duration::ZERO);
        broker.settle(&claimed, postpone).await.unwrap();
    }
}

async fn a_failed_delivery_comes_again_and_says_how_often_it_was_tried(place: &Place) {
    let broker = place.open().await;
    broker.publish(&[cancelled()]).await.unwrap();
    // Two thirds of it are enough for any broker to bring another event, on a busy machine too.
    let wait = Duration::from_secs(3);
    let claimed = claim(&broker, "payments").await;
    let failed = Instant::now();
    broker
        .settle(&claimed, Settlement::Retry(wait))
        .await
        .unwrap();
    while failed.elapsed() < wait / 3 {
        let depth = broker.depth("payments").await.unwrap();
        assert_eq!(depth.messages, 1, "it waits");
    }
    // Others do not wait for it.
    let second = cancelled();
    broker.publish(std::slice::from_ref(&second)).await.unwrap();
    let other = claim(&broker, "payments").await;
    assert_eq!(other.event_id, second.id);
    broker.settle(&other, Settlement::Done).await.unwrap();
    let again = claim(&broker, "payments").await;
    assert!(failed.elapsed() >= wait, "after {:?}", failed.elapsed());
    let retry = Settlement::Retry(Duration::ZERO);
    broker.settle(&again, retry).await.unwrap();
    let third = claim(&broker, "payments").await;
    assert_eq!((again.attempt, third.attempt), (2, 3));
    broker.settle(&third, Settlement::Done).await.unwrap();
    settled(&[&broker], "payments", 0).await;
}

async fn a_dead_letter_is_out_of_the_way_until_it_is_put_back(place: &Place) {
    let broker = place.open().await;
    broker.publish(&[cancelled(), cancelled()]).await.unwrap();
    let claimed = claim_all(&[&broker], "payments", 2).await;
    for (_, delivery) in &claimed {
        let dead = Settlement::Dead("internal");
        broker.settle(delivery, dead).await.unwrap();
    }
    settled(&[&broker], "payments", 2).await;
    for _ in 0..2 {
        let mut letters = broker.dead_letters("payments").await.unwrap();
        assert_eq!(letters.len(), 2, "looking takes nothing away");
        letters.sort_by(|one, other| one.event_id.cmp(&other.event_id));
        assert_eq!(letters[0].event_id, claimed[0].1.event_id);
        assert_eq!(letters[0].reason, "internal");
        assert_eq!(letters[0].attempts, 1);
        assert!((now_ms() - letters[0].died_at) < 60_000);
        settled(&[&broker], "payments", 2).await;
    }
    assert_eq!(broker.replay_dead_letters("payments").await.unwrap(), 2);
    assert!(broker.dead_letters("payments").await.unwrap().is_empty());
    let again = claim_all(&[&broker], "payments", 2).await;
    assert!(again.iter().all(|it| it.1.attempt == 1), "as if new");
    for (_, delivery) in &again {
        broker.settle(delivery, Settlement::Done).await.unwrap();
    }
    settled(&[&broker], "payments", 0).await;
}

async fn who_dies_leaves_its_deliveries_to_others(place: &Place) {
    let (dying, heir) = (place.open().await, place.open().await);
    let events = [cancelled(), cancelled(), cancelled()];
    dying.publish(&events).await.unwrap();
    let held = claim_all(&[&dying], "payments", 3).await;
    assert!(heir.claim("payments", 10).await.unwrap().is_empty());
    drop(dying);
    let inherited = claim_all(&[&heir], "payments", 3).await;
    let ids = |it: &[(usize, Delivery)]| {
        let mut ids: Vec<_> = it.iter().map(|it| it.1.event_id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&inherited), ids(&held));
    assert!(inherited.iter().all(|it| it.1.attempt == 2), "a try it was");
    for (_, delivery) in &inherited {
        heir.settle(delivery, Settlement::Done).await.unwrap();
    }
    settled(&[&heir], "payments", 0).await;
}

async fn a_delivery_that_was_forgotten_comes_again(place: &Place) {
    let broker = place.open().await;
    broker.publish(&[cancelled()]).await.unwrap();
    let forgotten = claim(&broker, "payments").await;
    let again = claim(&broker, "payments").await;
    assert_eq!((again.event_id, again.attempt), (forgotten.event_id, 2));
}

/// Events each producer publishes, and how many a second.
const EVENTS: u32 = 500;
const RATE: u32 = 125;

/// What one consumer saw: how often which event came, and the longest time between sending and claiming.
type Seen = (BTreeMap<String, u32>, Duration);

/// Four producers, five consumers, and two threads that do nothing but take time away, each with a runtime and connections
/// of its own, as separate processes have.
async fn nobody_starves_with_busy_cores(place: &Place) {
    let url = &place.url;
    let kinds = [
        "order.confirmed",
        "stock.rejected",
        "payment.declined",
        "product.changed",
    ];
    let over = Arc::new(AtomicBool::new(false));
    let spinners: Vec<_> = (0..2)
        .map(|_| {
            let over = Arc::clone(&over);
            thread::spawn(move || while !over.load(Ordering::Relaxed) {})
        })
        .collect();
    let heard = Arc::new(AtomicU32::new(0));
    let there = Arc::new(AtomicU32::new(0));
    let consumers: Vec<_> = ["inventory", "orders", "orders", "search", "search"]
        .into_iter()
        .map(|queue| {
            let (url, over, heard) = (url.clone(), Arc::clone(&over), Arc::clone(&heard));
            let there = Arc::clone(&there);
            thread::spawn(move || run(consume(url, queue, over, [there, heard])))
        })
        .collect();
    // A server has to make its queues first, or let a consumer into its group: a second or two, once, in which events wait.
    wait_for(&there, consumers.len(), "consumers are there");
    let clock = thread::spawn({
        let over = Arc::clone(&over);
        move || worst_lateness(&over)
    });
    let producers: Vec<_> = kinds
        .into_iter()
        .map(|kind| {
            let url = url.clone();
            thread::spawn(move || run(produce(url, kind)))
        })
        .collect();
    for producer in producers {
        producer.join().unwrap();
    }
    wait_for(&heard, 4 * EVENTS as usize, "events were heard");
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
    let late = clock.join().unwrap();
    show(&format!(
        "the worst lag was {worst:?}, while a thread was at most {late:?} late"
    ));
    assert_eq!(seen.len(), 4 * EVENTS as usize, "every event arrived");
    assert!(seen.values().all(|it| *it == 1), "and none of them twice");
    // Who starves hears nothing until the others leave off. An event also passes some ten threads, here and at the server, each
    // as late as the machine makes it.
    let load = Duration::from_secs(1) * EVENTS / RATE;
    assert!(worst < load / 2 + 10 * late, "the worst lag was {worst:?}");
}

/// How much later than it should a thread woke that sleeps again and again: what the machine does to everybody.
fn worst_lateness(over: &AtomicBool) -> Duration {
    let nap = Duration::from_millis(5);
    let mut worst = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        thread::sleep(nap);
        worst = worst.max(start.elapsed().saturating_sub(nap));
    }
    worst
}

fn wait_for(count: &AtomicU32, enough: usize, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while (count.load(Ordering::Relaxed) as usize) < enough {
        assert!(Instant::now() < deadline, "{count:?} {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

async fn produce(url: BrokerUrl, kind: &'static str) {
    let broker = Broker::open(&url, &topology()).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    for _ in 0..EVENTS {
        ticks.tick().await;
        broker.publish(&[event(kind)]).await.unwrap();
    }
}

async fn consume(
    url: BrokerUrl,
    queue: &'static str,
    over: Arc<AtomicBool>,
    [there, heard]: [Arc<AtomicU32>; 2],
) -> Seen {
    let broker = Broker::open(&url, &topology()).await.unwrap();
    let (mut events, mut worst) = (BTreeMap::new(), Duration::ZERO);
    let mut claimed = broker.claim(queue, 16).await.unwrap();
    there.fetch_add(1, Ordering::Relaxed);
    while !over.load(Ordering::Relaxed) {
        for delivery in &claimed {
            // The id begins with the microseconds of its making.
            let made = i64::from_str_radix(&delivery.event_id[2..18], 16).unwrap() / 1000;
            let lag = u64::try_from(now_ms() - made).unwrap_or(0);
            worst = worst.max(Duration::from_millis(lag));
            *events.entry(delivery.event_id.clone()).or_insert(0) += 1;
            broker.settle(delivery, Settlement::Done).await.unwrap();
            heard.fetch_add(1, Ordering::Relaxed);
        }
        if claimed.is_empty() {
            broker.wait(queue, Duration::from_millis(10)).await;
        }
        claimed = broker.claim(queue, 16).await.unwrap();
    }
    (events, worst)
}
