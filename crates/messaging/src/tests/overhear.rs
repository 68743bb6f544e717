//! A change in one replica, and what the others have in memory.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Instant,
};

use cache::Cache;
use serde_json::json;
use testbed::show;

use super::*;
use crate::Overheard;

on_every_broker! {
    what_one_replica_changes_every_replica_forgets
}

const KEY: &str = "p-000001";
const LONG: Duration = Duration::from_hours(1);

struct Replica {
    host: Host,
    messaging: Messaging,
    cache: Cache<i64>,
    listens: Arc<AtomicBool>,
}

impl Replica {
    async fn open(place: &Place) -> Self {
        let (host, messaging) = open(place, "catalog").await;
        let options = cache::Options {
            url: cache::Url::Memory,
            ttl: LONG,
            stale: LONG,
            absent: LONG,
            capacity: 10,
            timeout: LONG,
            coalescing: chassis::Switch::On,
            invalidation: chassis::Switch::On,
        };
        let cache = Cache::open("test", options, |it| *it);
        let cache = cache.await.unwrap();
        let listens = Arc::new(AtomicBool::new(false));
        let (forgetting, listening) = (cache.clone(), Arc::clone(&listens));
        messaging.overhear(&host, move |heard| {
            forget(forgetting.clone(), Arc::clone(&listening), heard)
        });
        Self {
            host,
            messaging,
            cache,
            listens,
        }
    }

    /// What it says the value is; `origin` is what it is.
    async fn get(&self, origin: &AtomicI64) -> i64 {
        let value = origin.load(Ordering::Relaxed);
        let loaded = self.cache.get_or_load(KEY, std::future::ready(Ok(value)));
        loaded.await.unwrap()
    }

    async fn change(&self, version: i64) {
        let mut transaction = self.messaging.database.write().await.unwrap();
        let fact = json!({ "type": "product.changed", "data": { "version": version } });
        let told = self.messaging.tell(&mut transaction, KEY, fact).await;
        told.unwrap();
        transaction.commit().await.unwrap();
        self.cache.invalidate(KEY, version).await;
    }
}

async fn forget(cache: Cache<i64>, listens: Arc<AtomicBool>, heard: Overheard) {
    match heard {
        Overheard::Gap => {
            cache.invalidate_all();
            listens.store(true, Ordering::Relaxed);
        }
        Overheard::Event(event) => {
            let trace = |it: Option<String>| it.unwrap()[3..35].to_owned();
            let here = trace(Origin::current().traceparent);
            assert_eq!(
                here,
                trace(event.traceparent),
                "it is part of the event's trace"
            );
            assert_eq!(event.kind, "product.changed", "nothing else is told");
            let version = event.data["version"].as_i64().unwrap();
            cache.invalidate(KEY, version).await;
        }
    }
}

async fn what_one_replica_changes_every_replica_forgets(place: &Place) {
    let (one, other) = (Replica::open(place).await, Replica::open(place).await);
    for replica in [&one, &other] {
        let listens = async || replica.listens.load(Ordering::Relaxed);
        eventually("it listens", listens).await;
    }
    let origin = AtomicI64::new(1);
    let mut latencies = Vec::new();
    for version in 2..22 {
        assert_eq!(one.get(&origin).await, version - 1);
        assert_eq!(other.get(&origin).await, version - 1);
        origin.store(version, Ordering::Relaxed);
        one.change(version).await;
        let changed = Instant::now();
        assert_eq!(
            one.get(&origin).await,
            version,
            "at once where it was changed"
        );
        while other.get(&origin).await != version {
            assert!(changed.elapsed() < Duration::from_secs(10), "soon");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        latencies.push(changed.elapsed());
    }
    latencies.sort();
    let (middle, worst) = (latencies[10], latencies[19]);
    show(&format!(
        "other replicas forget after {middle:?}, at most {worst:?}"
    ));
    let end = Instant::now();
    for replica in [one, other] {
        replica.host.finish_work(LONG).await;
        assert_eq!(replica.host.failure(), None);
    }
    assert!(end.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_broker_that_is_away_harms_no_reader() {
    let place = Place::rabbit_at("amqp://127.0.0.1:1");
    let replica = Replica::open(&place).await;
    let start = Instant::now();
    for value in 1..100 {
        assert_eq!(replica.get(&AtomicI64::new(value)).await, 1, "it is kept");
    }
    replica.host.finish_work(LONG).await;
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(replica.host.failure(), None);
}
