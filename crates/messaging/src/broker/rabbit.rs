//! Queues at a `RabbitMQ` server.
//!
//! Two connections: the server stops listening to one that publishes when it is short of memory or disk, and consumers must
//! be able to go on then. Each is made again when it was lost, by whoever needs it next.
//!
//! A delivery that is to come later is published to a queue from which it falls back when it expires, and only then settled:
//! whoever dies in between leaves two of it, never none, and the inbox knows the second. It occupies nobody meanwhile, as it
//! would if its consumer kept it unsettled until its time has come: the server sends only so many ahead, and counts every
//! return as a try, also that of a delivery which waits for something that is away.

mod dead;
mod depth;
mod feed;
mod link;
mod message;
mod overhear;
mod topology;
mod url;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use chassis::Error;
use lapin::{
    Channel, ExchangeKind,
    options::{BasicAckOptions, BasicNackOptions, ExchangeDeclareOptions},
    types::FieldTable,
};
use tokio::time::{Instant, sleep, timeout};

pub(super) use overhear::Overhearing;
pub use url::AmqpUrl;

use self::{
    feed::Feed,
    link::{AWAY, CALL_TIMEOUT, DECLARE_TIMEOUT, Link, call, within},
    message::{Outgoing, attempt, event_id},
    topology::Names,
};
use super::{Delivery, LEASE, PAUSE, PING_TIMEOUT, SETTLE_TIMEOUT, Settlement};
use crate::{Event, Queue, Topology};

/// Every queue; cloning shares the connections.
#[derive(Clone)]
pub struct Queues(Arc<Shared>);

struct Shared {
    names: Names,
    /// Publishes.
    outward: Arc<Link>,
    /// Consumes and asks.
    inward: Arc<Link>,
    lines: Vec<Line>,
    /// What was claimed and is not settled, by [`Delivery::seq`].
    held: Mutex<HashMap<i64, Held>>,
    claimed: AtomicI64,
}

/// What this process does at one queue.
struct Line {
    queue: &'static str,
    feed: tokio::sync::Mutex<Option<Feed>>,
    unreadable: AtomicBool,
    /// When what was put aside falls back.
    parked: Mutex<VecDeque<Instant>>,
    /// Whose turn it is with the dead letters, ...
    dead: tokio::sync::Mutex<()>,
    /// ... and how many of them are out of their queue for that long.
    dead_held: AtomicI64,
}

#[derive(Clone)]
struct Held {
    queue: &'static str,
    /// Where it is settled. The server takes it back when this is closed.
    channel: Channel,
    delivery: Arc<lapin::message::Delivery>,
    attempt: i64,
    until: Instant,
    settling: bool,
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queues").field(&self.0.inward).finish()
    }
}

impl Queues {
    /// Never fails: a server that is away is asked again later.
    pub(super) async fn open(url: &AmqpUrl, topology: &Topology) -> Self {
        let names = Names::new(&url.prefix, topology);
        let line = |queue: &Queue| Line {
            queue: queue.name,
            feed: tokio::sync::Mutex::default(),
            unreadable: AtomicBool::new(false),
            parked: Mutex::default(),
            dead: tokio::sync::Mutex::default(),
            dead_held: AtomicI64::new(0),
        };
        let it = Self(Arc::new(Shared {
            outward: Link::new(url, &names, "publisher"),
            inward: Link::new(url, &names, "consumer"),
            names,
            lines: topology.queues.iter().map(line).collect(),
            held: Mutex::default(),
            claimed: AtomicI64::new(0),
        }));
        if it.0.outward.lane().await.is_err() {
            tracing::warn!("broker not reachable yet");
        }
        it
    }

    fn line(&self, queue: &str) -> Result<&Line, Error> {
        let line = self.0.lines.iter().find(|it| it.queue == queue);
        line.ok_or(Error::NotFound("the queue"))
    }

    pub(super) async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let messages = events.iter().map(|it| Outgoing::event(&self.0.names, it));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        self.0.outward.publish(&messages).await
    }

    pub(super) async fn claim(&self, queue: &str, limit: usize) -> Result<Vec<Delivery>, Error> {
        let line = self.line(queue)?;
        self.give_back_overdue(line.queue).await;
        let mut slot = timeout(CALL_TIMEOUT, line.feed.lock()).await;
        let slot = slot.as_mut().map_err(|_| AWAY)?;
        if let Some(feed) = slot.as_mut() {
            feed.fill();
        }
        if !slot.as_ref().is_some_and(Feed::lives) {
            // What had arrived is the server's again.
            **slot = None;
            let feed = self.subscribe(line.queue).await;
            line.unreadable.store(feed.is_err(), Ordering::Relaxed);
            slot.insert(feed?).fill();
        }
        let mut claimed = Vec::new();
        if let Some(feed) = slot.as_mut() {
            while claimed.len() < limit
                && let Some(delivery) = feed.pop()
            {
                claimed.push(self.hold(line.queue, feed, delivery));
            }
        }
        Ok(claimed)
    }

    async fn subscribe(&self, queue: &str) -> Result<Feed, Error> {
        let lane = self.0.inward.lane().await?;
        let feed = Feed::subscribe(&lane, self.0.names.queue(queue)).await;
        if feed.is_err() {
            // The queue may be gone: a new connection makes it again.
            self.0.inward.discard(&lane, "consumer ended").await;
        }
        feed
    }

    fn hold(
        &self,
        queue: &'static str,
        feed: &Feed,
        delivery: lapin::message::Delivery,
    ) -> Delivery {
        let held = Held {
            queue,
            channel: feed.channel.clone(),
            attempt: attempt(&delivery),
            delivery: Arc::new(delivery),
            until: Instant::now() + LEASE,
            settling: false,
        };
        let claimed = Delivery {
            seq: self.0.claimed.fetch_add(1, Ordering::Relaxed),
            event_id: event_id(&held.delivery),
            body: String::from_utf8_lossy(&held.delivery.data).into_owned(),
            attempt: held.attempt,
        };
        self.held().insert(claimed.seq, held);
        claimed
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever had these has ended without settling them.
    async fn give_back_overdue(&self, queue: &str) {
        let now = Instant::now();
        let overdue: Vec<Held> = self
            .held()
            .extract_if(|_, it| it.queue == queue && !it.settling && it.until < now)
            .map(|it| it.1)
            .collect();
        for held in overdue {
            give_back(&held).await;
        }
    }

    /// Waits until a delivery may be there, but no longer than `limit`.
    pub(super) async fn wait(&self, queue: &str, limit: Duration) {
        let wait = async {
            if let Ok(line) = self.line(queue)
                && let Some(feed) = line.feed.lock().await.as_mut()
            {
                feed.wait(limit).await;
            } else {
                sleep(limit).await;
            }
        };
        _ = timeout(limit, wait).await;
    }

    /// Ends the subscription to `queue`; what arrived and was not claimed goes back as if it had not.
    pub(super) async fn leave(&self, queue: &str) -> Result<(), Error> {
        let line = self.line(queue)?;
        let Some(mut feed) = line.feed.lock().await.take() else {
            return Ok(());
        };
        feed.cancel().await;
        while let Some(delivery) = feed.pop() {
            let delivery = self.hold(line.queue, &feed, delivery);
            let untouched = Settlement::Postpone(Duration::ZERO);
            self.settle(&delivery, untouched).await?;
        }
        Ok(())
    }

    pub(super) async fn settle(
        &self,
        delivery: &Delivery,
        settlement: Settlement,
    ) -> Result<(), Error> {
        let held = match self.held().get_mut(&delivery.seq) {
            Some(held) if !held.settling => {
                held.settling = true;
                held.clone()
            }
            _ => return Ok(()),
        };
        let end = timeout(SETTLE_TIMEOUT, self.end(&held, settlement)).await;
        let ended = end.unwrap_or(Err(AWAY));
        if ended.is_err() {
            give_back(&held).await;
        }
        self.held().remove(&delivery.seq);
        ended
    }

    async fn end(&self, held: &Held, settlement: Settlement) -> Result<(), Error> {
        let (names, delivery) = (&self.0.names, &held.delivery);
        let replacement = match settlement {
            Settlement::Done => None,
            Settlement::Dead(reason) => {
                let dead = Outgoing::dead(names, held.queue, delivery, held.attempt, reason);
                Some((dead, None))
            }
            Settlement::Retry(wait) | Settlement::Postpone(wait) => {
                let counts = matches!(settlement, Settlement::Retry(_));
                let tried = held.attempt - i64::from(!counts);
                let (queue, wait) = names.retry(held.queue, wait);
                Some((Outgoing::again(delivery, queue, tried), Some(wait)))
            }
        };
        if let Some((message, wait)) = replacement {
            while let Err(error) = self.0.outward.publish(std::slice::from_ref(&message)).await {
                if !held.channel.status().connected() {
                    return Err(error);
                }
                sleep(PAUSE).await;
            }
            if let Some(wait) = wait {
                let mut parked = self.parked(held.queue)?;
                parked.push_back(Instant::now() + wait);
            }
        }
        call(delivery.ack(BasicAckOptions::default())).await?;
        Ok(())
    }

    fn parked(&self, queue: &str) -> Result<std::sync::MutexGuard<'_, VecDeque<Instant>>, Error> {
        let parked = &self.line(queue)?.parked;
        Ok(parked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes every queue and exchange away, with all that is in them.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let channel = self.0.inward.lane().await?.channel;
        let remove = self.0.names.remove(&channel);
        let removed = within(DECLARE_TIMEOUT, "delete the queues", remove).await;
        removed.map_err(|error| {
            tracing::warn!(error, "queues not deleted");
            AWAY
        })
    }

    pub(super) async fn ping(self) -> Result<(), String> {
        let check = async {
            let away = |_| "no connection".to_owned();
            let outward = self.0.outward.lane().await.map_err(away)?;
            if outward.connection.status().blocked() {
                return Err("broker blocks publishers: low on memory or disk".to_owned());
            }
            let inward = self.0.inward.lane().await.map_err(away)?;
            let options = ExchangeDeclareOptions {
                passive: true,
                ..ExchangeDeclareOptions::default()
            };
            let (name, kind) = (self.0.names.exchange(), ExchangeKind::Topic);
            let ask = inward
                .channel
                .exchange_declare(name, kind, options, FieldTable::default());
            ask.await.map_err(|error| error.to_string())?;
            let unreadable = |it: &&Line| it.unreadable.load(Ordering::Relaxed);
            match self.0.lines.iter().find(unreadable) {
                Some(line) => Err(format!("queue {} unreadable", line.queue)),
                None => Ok(()),
            }
        };
        let checked = timeout(PING_TIMEOUT, check).await;
        checked.unwrap_or_else(|_| Err(format!("no response within {PING_TIMEOUT:?}")))
    }
}

/// The server may give it to anybody at once. It cannot fail for good: the server takes back what a lost channel holds.
async fn give_back(held: &Held) {
    let options = BasicNackOptions {
        requeue: true,
        ..BasicNackOptions::default()
    };
    if held.channel.status().connected() {
        _ = call(held.delivery.nack(options)).await;
    }
}

#[cfg(test)]
mod tests;
