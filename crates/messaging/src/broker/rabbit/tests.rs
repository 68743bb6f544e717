//! What only a server can do: go away, come back, and take nothing.

mod overhear;
mod places;

use std::time::Duration;

use lapin::options::{BasicGetOptions, QueueDeleteOptions};
use testbed::{eventually, show};
use tokio::time::{Instant, sleep};

use self::places::{behind, door};
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

/// A server, and what it has for this test.
async fn server(port: u16) -> (Server, Place) {
    let server = Server::start("rabbitmq", port).await;
    let url = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
    (server, Place::rabbit_at(&url))
}

async fn ctl(server: &Server, [command, argument]: [&str; 2]) {
    let tool = ["rabbitmq", "rabbitmqctl", command, argument];
    server.run(&tool).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn a_message_says_beside_its_body_what_it_is_and_which_trace_it_belongs_to() {
    let place = Place::rabbit();
    let Broker::Rabbit(queues) = place.open().await else {
        unreachable!("it is RabbitMQ's place");
    };
    let event = cancelled("o-1");
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
    is_said_to_be_away("amqp://127.0.0.1:1".parse().unwrap()).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn a_connection_is_made_though_nobody_waits_for_it() {
    let place = Place::rabbit();
    let BrokerUrl::Rabbit(url) = &place.url else {
        unreachable!("it is RabbitMQ's place");
    };
    let names = Names::new(&url.prefix, &topology());
    let link = Link::new(url, &names, "test");
    is_made_though_nobody_waits("the connection is there", async || link.lane().await).await;
    place.clear().await;
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
    broker.publish(&[cancelled("o-1")]).await.unwrap();
    let filled = async || claim().await.is_ok_and(|it| it.len() == 1);
    eventually("it fills", filled).await;
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn lost_connections_are_made_again_and_nothing_confirmed_is_lost() {
    let direct = Place::rabbit();
    let door = door(&direct.url).await;
    let place = behind(&door, &direct.url);
    let watcher = place.open().await;
    let load = Load::start(&place).await;
    for _ in 0..5 {
        load.recovery().await;
        door.cut();
    }
    load.recovery().await;
    door.shut().await;
    let noticed = eventually("it says so", async || watcher.clone().ping().await.is_err()).await;
    sleep(Duration::from_secs(2)).await;
    assert!(watcher.clone().ping().await.is_err());
    door.open().await;
    let ready = eventually("it is ready", async || watcher.clone().ping().await.is_ok());
    let (ready, (confirmed, seen)) = tokio::join!(ready, load.recovery());
    let count = load.finish(&place).await;
    show(&format!(
        "connections cut: {count}; noticed after {noticed:?}, ready again after {ready:?}, \
         published after {confirmed:?}, consumed after {seen:?}"
    ));
    direct.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn a_server_killed_under_load_loses_nothing_it_has_confirmed() {
    let (server, place) = server(27_672).await;
    let watcher = place.open().await;
    let load = Load::start(&place).await;
    load.recovery().await;
    ctl(&server, ["close_all_connections", "test"]).await;
    let closed = load.recovery().await;
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
    sleep(Duration::from_secs(3)).await;
    assert!(watcher.clone().ping().await.is_err());
    server.up().await;
    let ready = eventually("it is ready", async || watcher.clone().ping().await.is_ok());
    let (ready, (confirmed, seen)) = tokio::join!(ready, load.recovery());
    let count = load.finish(&place).await;
    show(&format!(
        "connections closed by the server: recovered after {closed:?}; server stopped and continued: recovered after {hung:?}; server killed: {count}; \
         once it was up again, ready after {ready:?}, published after {confirmed:?}, consumed after {seen:?}"
    ));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn a_server_short_of_memory_or_disk_is_waited_for_and_still_consumed_from() {
    let (server, place) = server(28_672).await;
    for (threshold, too_much, enough) in [
        ("set_vm_memory_high_watermark", "0.00001", "0.6"),
        ("set_disk_free_limit", "1000000GB", "50MB"),
    ] {
        let (alarm, remedy) = ([threshold, too_much], [threshold, enough]);
        takes_nothing_and_still_gives((&server, &place), alarm, remedy).await;
    }
}

async fn takes_nothing_and_still_gives(
    (server, place): (&Server, &Place),
    alarm: [&str; 2],
    remedy: [&str; 2],
) {
    let broker = place.open().await;
    broker
        .publish(&[cancelled("o-1"), cancelled("o-1")])
        .await
        .unwrap();
    ctl(server, alarm).await;
    let start = Instant::now();
    for _ in 0..3 {
        assert!(broker.publish(&[cancelled("o-1")]).await.is_err());
    }
    assert!(start.elapsed() < Duration::from_secs(30), "it has a limit");
    let said = broker.clone().ping().await.unwrap_err();
    assert!(said.contains("blocks publishers"), "{said}");
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
        ctl(server, remedy).await;
    });
    settled.unwrap();
    let ready = eventually("it is ready", async || broker.clone().ping().await.is_ok()).await;
    broker.publish(&[cancelled("o-1")]).await.unwrap();
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
