//! What tests have in common in which a server goes away: the server, a load meanwhile, and the wait for something.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::Error;
use tempfile::TempDir;
use testbed::{backends, eventually};
use tokio::{
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    Broker, BrokerUrl, Event,
    broker::{
        Settlement,
        place::{Place, event, topology},
    },
};

/// An event that belongs to a trace.
pub(in crate::broker) fn cancelled(subject: &str) -> Event {
    Event {
        subject: subject.into(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        tracestate: Some("a=b".into()),
        ..event("order.cancelled")
    }
}

/// Asks for what has to be made first, and each time leaves long before it can be there.
pub(in crate::broker) async fn is_made_though_nobody_waits<T>(
    what: &str,
    ask: impl AsyncFn() -> Result<T, Error>,
) {
    let glance = Duration::from_millis(5);
    let is_there = async || matches!(timeout(glance, ask()).await, Ok(Ok(_)));
    assert!(!is_there().await, "that takes longer than a glance");
    eventually(what, is_there).await;
}

/// Opens what is at `url`, where nobody is: that is no error, but all else is one, and soon.
pub(in crate::broker) async fn is_said_to_be_away(url: BrokerUrl) {
    let broker = Broker::open(&url, &topology()).await.unwrap();
    let start = Instant::now();
    assert!(broker.publish(&[cancelled("o-1")]).await.is_err());
    assert!(broker.claim("payments", 1).await.is_err());
    assert!(broker.depth("payments").await.is_err());
    assert!(broker.ping().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(5));
}

pub(in crate::broker) async fn is_empty(broker: &Broker) -> bool {
    let depth = broker.depth("payments").await;
    depth.is_ok_and(|it| (it.messages, it.dead_letters) == (0, 0))
}

/// A server that nobody else uses; it ends with this.
pub(in crate::broker) struct Server {
    name: &'static str,
    port: String,
    data: TempDir,
}

impl Server {
    /// Starts what `scripts/backends` calls `name`.
    pub(in crate::broker) async fn start(name: &'static str, port: u16) -> Self {
        let it = Self {
            name,
            port: port.to_string(),
            data: tempfile::tempdir().unwrap(),
        };
        it.up().await;
        it
    }

    pub(in crate::broker) async fn up(&self) {
        self.run(&["up", self.name]).await;
    }

    /// Runs `scripts/backends` for this server.
    pub(in crate::broker) async fn run(&self, arguments: &[&str]) {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let (name, port, data) = (self.name, self.port.clone(), self.data.path().to_owned());
        let run = move || run(&arguments, name, &port, &data);
        spawn_blocking(run).await.unwrap();
    }

    /// Sends its process a signal; after `KILL`, returns when it has ended.
    pub(in crate::broker) async fn signal(&self, signal: &str) {
        let file = self.data.path().join(self.name).join("pid");
        let pid = std::fs::read_to_string(file).unwrap();
        let (pid, option) = (pid.trim(), format!("-{signal}"));
        let sent = Command::new("kill").args([&option, pid]).status();
        assert!(sent.unwrap().success());
        let process = format!("/proc/{pid}");
        while signal == "KILL" && Path::new(&process).exists() {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let down = ["down".to_owned(), self.name.to_owned()];
        run(&down, self.name, &self.port, self.data.path());
    }
}

fn run(arguments: &[String], name: &str, port: &str, data: &Path) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let port_variable = format!("BACKENDS_{}_PORT", name.to_uppercase());
    let data = data.to_str().unwrap();
    backends(
        &arguments,
        &[("BACKENDS_DIR", data), (&port_variable, port)],
    );
}

/// A publisher and two consumers, each with connections of its own, that go on until told otherwise.
pub(in crate::broker) struct Load {
    confirmed: Arc<Mutex<BTreeSet<String>>>,
    seen: Arc<Mutex<BTreeMap<String, u32>>>,
    publishing: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(in crate::broker) async fn start(place: &Place) -> Self {
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
    pub(in crate::broker) async fn recovery(&self) -> (Duration, Duration) {
        let (confirmed, seen) = (self.confirmed(), self.seen());
        let more = async || self.confirmed() > confirmed + 10;
        let more_seen = async || self.seen() > seen + 10;
        tokio::join!(
            eventually("more is confirmed", more),
            eventually("more is seen", more_seen)
        )
    }

    /// Stops, and says how many were confirmed, all of which somebody has seen, and how many of them more than once.
    pub(in crate::broker) async fn finish(self, place: &Place) -> String {
        self.publishing.store(false, Ordering::Relaxed);
        let missing = || {
            let (confirmed, seen) = (self.confirmed.lock().unwrap(), self.seen.lock().unwrap());
            let unseen = confirmed.iter().filter(|it| !seen.contains_key(*it));
            unseen.count()
        };
        eventually("all that was confirmed is seen", async || missing() == 0).await;
        let broker = place.open().await;
        eventually("nothing is left", async || is_empty(&broker).await).await;
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let (confirmed, seen) = (self.confirmed.lock().unwrap(), self.seen.lock().unwrap());
        let again = seen.values().filter(|it| **it > 1).count();
        let confirmed = confirmed.len();
        format!("{confirmed} confirmed and seen, {again} of them more than once")
    }
}

async fn publish(broker: Broker, on: Arc<AtomicBool>, confirmed: Arc<Mutex<BTreeSet<String>>>) {
    // Slower than the consumers are: what they have to catch up with does not grow meanwhile.
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = 0;
    while on.load(Ordering::Relaxed) {
        ticks.tick().await;
        round += 1;
        let batch: [Event; 20] = std::array::from_fn(|it| cancelled(&format!("o-{round}-{it}")));
        // As the outbox does: until they are there.
        while let Err(error) = broker.publish(&batch).await {
            assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
            sleep(Duration::from_millis(50)).await;
        }
        let ids = batch.into_iter().map(|it| it.id);
        confirmed.lock().unwrap().extend(ids);
    }
}

async fn consume(broker: Broker, over: Arc<AtomicBool>, seen: Arc<Mutex<BTreeMap<String, u32>>>) {
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
                let mut seen = seen.lock().unwrap();
                *seen.entry(delivery.event_id.clone()).or_default() += 1;
                Settlement::Done
            };
            // What was not settled comes again.
            _ = broker.settle(delivery, settlement).await;
        }
        broker.wait("payments", Duration::from_millis(10)).await;
    }
}
