//! What only a server can do: go away, come back, and give a partition to somebody else.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    Message as _, TopicPartitionList,
    admin::{NewTopic, TopicReplication},
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
};
use testbed::{eventually, show};
use tokio::time::Instant;

use super::*;
use crate::{
    Broker, BrokerUrl,
    broker::{
        place::{Place, topology},
        tests::outage::{
            Load, Server, cancelled, is_empty, is_made_though_nobody_waits, is_said_to_be_away,
        },
    },
};

fn url_of(place: &Place) -> &KafkaUrl {
    match &place.url {
        BrokerUrl::Kafka(url) => url,
        other => unreachable!("{other:?} is not Kafka's place"),
    }
}

/// Claims what there is in `payments` until there are `count` deliveries.
async fn claim(broker: &Broker, count: usize) -> Vec<Delivery> {
    let mut claimed = Vec::new();
    eventually("enough is claimed", async || {
        claimed.extend(broker.claim("payments", 16).await.unwrap());
        claimed.len() >= count
    })
    .await;
    claimed
}

/// A replica that has every partition, and events in all of them.
async fn supplied(place: &Place, count: usize) -> (Broker, Vec<Event>) {
    let broker = place.open().await;
    assert!(broker.claim("payments", 1).await.unwrap().is_empty());
    let events: Vec<_> = (0..count).map(|it| cancelled(&format!("o-{it}"))).collect();
    broker.publish(&events).await.unwrap();
    (broker, events)
}

#[tokio::test]
#[ignore = "needs Kafka: scripts/backends up"]
async fn a_message_says_beside_its_body_what_it_is_and_which_trace_it_belongs_to() {
    let place = Place::kafka();
    let broker = place.open().await;
    let url = url_of(&place);
    let event = cancelled("o-7");
    broker.publish(std::slice::from_ref(&event)).await.unwrap();
    let reader: BaseConsumer = settings::consumer(url, "looks").create().unwrap();
    let mut list = TopicPartitionList::new();
    let topic = format!("{}.order.cancelled", url.prefix);
    list.add_partition_range(&topic, 0, topics::PARTITIONS - 1);
    list.set_all_offsets(rdkafka::Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    let read = spawn_blocking(move || {
        reader
            .poll(Duration::from_secs(10))
            .unwrap()
            .unwrap()
            .detach()
    });
    let message = read.await.unwrap();
    let value = message.payload().unwrap();
    assert_eq!(serde_json::from_slice::<Event>(value).unwrap(), event);
    assert_eq!(message.key(), Some("o-7".as_bytes()));
    let header = |name: &str| {
        let mut headers = message.headers().unwrap().iter();
        let value = headers.find(|it| it.key == name)?.value?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(
        header("content-type").unwrap(),
        "application/cloudevents+json"
    );
    assert_eq!(header("ce_id"), Some(event.id));
    assert_eq!(header("ce_type").unwrap(), "order.cancelled");
    assert_eq!(header("ce_specversion").unwrap(), "1.0");
    assert_eq!(header("traceparent"), event.traceparent);
    assert_eq!(header("tracestate"), event.tracestate);
    place.clear().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_said_to_be_away() {
    is_said_to_be_away("kafka://127.0.0.1:1".parse().unwrap()).await;
}

#[tokio::test]
#[ignore = "needs Kafka: scripts/backends up"]
async fn topics_that_somebody_deleted_are_made_again() {
    let place = Place::kafka();
    let broker = place.open().await;
    assert!(broker.claim("payments", 1).await.unwrap().is_empty());
    broker.remove().await.unwrap();
    let ping = async || broker.clone().ping().await;
    eventually("they are missed", async || ping().await.is_err()).await;
    eventually("they are there again", async || ping().await.is_ok()).await;
    let event = cancelled("o-1");
    let publish = async || broker.publish(std::slice::from_ref(&event)).await.is_ok();
    eventually("something is published", publish).await;
    let mut heard = false;
    eventually("it is heard", async || {
        // A publish that seemed to fail may have succeeded.
        for delivery in broker.claim("payments", 16).await.unwrap_or_default() {
            heard |= delivery.event_id == event.id;
            broker.settle(&delivery, Settlement::Done).await.unwrap();
        }
        heard
    })
    .await;
    place.clear().await;
}

#[tokio::test]
#[ignore = "needs Kafka: scripts/backends up"]
async fn a_topic_with_more_partitions_than_are_looked_at_is_refused() {
    let place = Place::kafka();
    let url = url_of(&place);
    let link = Link::new(url, &topology()).unwrap();
    let name = format!("{}.order.cancelled", url.prefix);
    let made = link.with_admin(async |admin| {
        let replication = TopicReplication::Fixed(1);
        let topic = NewTopic::new(&name, topics::PARTITIONS + 1, replication);
        let made = admin.create_topics(&[topic], &topics::patient()).await;
        made.map_err(|error| error.to_string())
    });
    made.await.unwrap()[0].as_ref().unwrap();
    let broker = place.open().await;
    assert!(broker.publish(&[cancelled("o-1")]).await.is_err());
    assert!(broker.claim("payments", 1).await.is_err());
    assert!(broker.clone().ping().await.is_err());
    place.clear().await;
}

#[tokio::test]
#[ignore = "needs Kafka: scripts/backends up"]
async fn topics_are_made_though_nobody_waits_for_it() {
    let place = Place::kafka();
    let link = Link::new(url_of(&place), &topology()).unwrap();
    is_made_though_nobody_waits("the topics are there", async || link.ready().await).await;
    place.clear().await;
}

#[tokio::test]
#[ignore = "needs Kafka: scripts/backends up"]
async fn a_member_that_the_server_will_not_have_says_so_and_ends() {
    let place = Place::kafka();
    // Its topics are there.
    place.open().await;
    let mut config = settings::consumer(url_of(&place), "unlike-others");
    config.set("group.remote.assignor", "nobody");
    let (tell, wanted) = mpsc::unbounded_channel();
    let (_orders, ordered) = mpsc::unbounded_channel();
    let topic = format!("{}.order.cancelled", url_of(&place).prefix);
    let member = Arc::new(Member::join(&config, &[topic], tell).unwrap());
    let feed = Arc::new(Feed::new(Arc::clone(&member)));
    let unreadable = Arc::new(AtomicBool::new(false));
    let driver = Driver::new(
        Arc::clone(&feed),
        member,
        wanted,
        ordered,
        Arc::clone(&unreadable),
    );
    let ended = timeout(Duration::from_secs(30), driver.run()).await;
    ended.unwrap();
    assert!(unreadable.load(Ordering::Relaxed));
    assert_eq!(*feed.phase.borrow(), Phase::Left);
    place.clear().await;
}

/// One poison event dies with every process that begins it; each begins it in a group of its own making.
#[tokio::test]
#[ignore = "needs Kafka: scripts/backends up"]
async fn a_try_counts_though_its_process_died_and_nothing_done_is_repeated() {
    let place = Place::kafka();
    let told = place.open().await;
    let events: [Event; 6] = std::array::from_fn(|_| cancelled("o-1"));
    told.publish(&events).await.unwrap();
    let poison = &events[1].id;
    for attempt in 1..=3 {
        let dying = place.open().await;
        let claimed = claim(&dying, if attempt == 1 { 6 } else { 1 }).await;
        for delivery in &claimed {
            if delivery.event_id == *poison {
                assert_eq!(delivery.attempt, attempt);
            } else {
                assert_eq!(attempt, 1, "it was done");
                dying.settle(delivery, Settlement::Done).await.unwrap();
            }
        }
        let one = async || told.depth("payments").await.unwrap().messages == 1;
        eventually("one is left", one).await;
    }
    place.clear().await;
}

#[tokio::test]
#[ignore = "needs Kafka: scripts/backends up"]
async fn replicas_share_the_partitions_and_hand_on_none_that_is_worked_in() {
    let place = Place::kafka();
    let (first, events) = supplied(&place, 60).await;
    let second = place.open().await;
    let held = claim(&first, 16).await;
    let mut seen = BTreeMap::new();
    for delivery in &held {
        seen.insert(delivery.event_id.clone(), 1);
    }
    // It is let in when the first has ended its work.
    let (shared, ()) = tokio::join!(second.claim("payments", 16), async {
        sleep(Duration::from_secs(1)).await;
        for delivery in &held {
            first.settle(delivery, Settlement::Done).await.unwrap();
        }
    });
    let (mut by_second, mut next) = (0, shared.unwrap());
    let start = Instant::now();
    while seen.len() < events.len() || !is_empty(&first).await {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", seen.len());
        by_second += next.len();
        for delivery in &next {
            *seen.entry(delivery.event_id.clone()).or_insert(0) += 1;
            second.settle(delivery, Settlement::Done).await.unwrap();
        }
        for delivery in first.claim("payments", 1).await.unwrap() {
            *seen.entry(delivery.event_id.clone()).or_insert(0) += 1;
            first.settle(&delivery, Settlement::Done).await.unwrap();
        }
        second.wait("payments", Duration::from_millis(5)).await;
        next = second.claim("payments", 16).await.unwrap();
    }
    assert!(by_second > 0, "the second has its share");
    assert!(seen.values().all(|it| *it == 1), "nothing came twice");
    place.clear().await;
}

#[tokio::test]
#[ignore = "needs Kafka: scripts/backends up"]
async fn a_partition_that_was_full_is_read_on_when_it_comes_back() {
    let place = Place::kafka();
    // More for each partition than a replica reads ahead.
    let (first, events) = supplied(&place, 3000).await;
    let second = place.open().await;
    // It is let in and has partitions of its own; then it goes again.
    let taste = claim(&second, 1).await;
    for delivery in &taste {
        second.settle(delivery, Settlement::Done).await.unwrap();
    }
    second.leave("payments").await.unwrap();
    let mut left = events.len() - taste.len();
    eventually("everything is there", async || {
        for delivery in first.claim("payments", 200).await.unwrap() {
            first.settle(&delivery, Settlement::Done).await.unwrap();
            left -= 1;
        }
        left == 0
    })
    .await;
    let empty = async || is_empty(&first).await;
    eventually("what was done last is committed", empty).await;
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: scripts/backends up"]
async fn a_server_killed_under_load_loses_nothing_it_has_confirmed() {
    let server = Server::start("kafka", 29_492).await;
    let place = Place::kafka_at("kafka://127.0.0.1:29492");
    let watcher = place.open().await;
    let load = Load::start(&place).await;
    load.recovery().await;
    // It hangs: its connections are there, and no answers.
    server.signal("STOP").await;
    let silent = Instant::now();
    let errs = async || watcher.publish(&[cancelled("o-1")]).await.is_err();
    eventually("a publisher is told", errs).await;
    assert!(silent.elapsed() < Duration::from_secs(10));
    assert!(watcher.clone().ping().await.is_err());
    server.signal("CONT").await;
    let hung = load.recovery().await;
    server.signal("KILL").await;
    let noticed = eventually("it says so", async || watcher.clone().ping().await.is_err()).await;
    sleep(Duration::from_secs(3)).await;
    assert!(watcher.clone().ping().await.is_err());
    server.up().await;
    let ready = eventually("it is ready", async || watcher.clone().ping().await.is_ok());
    let (ready, (published, consumed)) = tokio::join!(ready, load.recovery());
    let count = load.finish(&place).await;
    show(&format!(
        "server stopped and continued: recovered after {hung:?}; killed: noticed after {noticed:?}; once it was up again, ready after {ready:?}, \
         published after {published:?}, consumed after {consumed:?}; {count}"
    ));
}
