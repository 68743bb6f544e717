//! Queues at Kafka: a topic for each type of event, a group for each service.
//!
//! Kafka remembers for a group how far it is in each partition, and no more. What else a queue needs is ours: which deliveries
//! are done beyond that point and which were begun stands beside the offset ([`note`]), so that several can be processed
//! at once and a try counts though its process died. A partition that the server wants to give to another replica is let go
//! when nobody is at work in it any more. What is to come later is published to a topic of retries with the time when it is
//! due, and only then done: whoever dies in between leaves two of it, never none, and the inbox knows the second.

mod book;
mod dead;
mod driver;
mod feed;
mod lag;
mod link;
mod member;
mod message;
mod note;
mod overhear;
mod settings;
mod topics;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use chassis::Error;
use rdkafka::producer::Producer as _;
use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{sleep, timeout},
};

pub(crate) use overhear::Overhearing;

use self::{
    driver::{Driver, Order},
    feed::{Feed, Phase},
    lag::Asker,
    link::Link,
    member::Member,
    message::{Incoming, Outgoing},
    settings::AWAY,
};
use super::{Delivery, KafkaUrl, PAUSE, PING_TIMEOUT, SETTLE_TIMEOUT, Settlement};
use crate::{Event, Queue, Topology};

/// Every queue; cloning shares the connections.
#[derive(Clone)]
pub struct Queues(Arc<Shared>);

struct Shared {
    link: Arc<Link>,
    lines: Vec<Line>,
    claimed: AtomicI64,
}

/// What this process does at one queue.
struct Line {
    queue: Queue,
    feed: Mutex<Option<Subscription>>,
    /// The server will not have us as a member.
    unreadable: Arc<AtomicBool>,
    asker: Mutex<Option<Arc<Asker>>>,
    /// Whose turn it is to put dead letters back.
    dead: tokio::sync::Mutex<()>,
}

/// A feed, which ends when nobody has this any more.
#[derive(Clone)]
struct Subscription {
    feed: Arc<Feed>,
    orders: mpsc::UnboundedSender<Order>,
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queues").field(&self.0.link).finish()
    }
}

impl Line {
    fn feed(&self) -> Option<Subscription> {
        let mut slot = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take_if(|it| *it.feed.phase.borrow() == Phase::Left);
        slot.clone()
    }
}

impl Queues {
    /// A server that is away is asked again later.
    pub(super) async fn open(url: &KafkaUrl, topology: &Topology) -> anyhow::Result<Self> {
        let line = |queue: &Queue| Line {
            queue: *queue,
            feed: Mutex::default(),
            unreadable: Arc::default(),
            asker: Mutex::default(),
            dead: tokio::sync::Mutex::default(),
        };
        let it = Self(Arc::new(Shared {
            link: Link::new(url, topology)?,
            lines: topology.queues.iter().map(line).collect(),
            claimed: AtomicI64::new(0),
        }));
        if it.0.link.ready().await.is_err() {
            tracing::warn!("broker not reachable yet");
        }
        Ok(it)
    }

    fn line(&self, queue: &str) -> Result<&Line, Error> {
        let line = self.0.lines.iter().find(|it| it.queue.name == queue);
        line.ok_or(Error::NotFound("the queue"))
    }

    pub(super) async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let link = &self.0.link;
        let messages = events.iter().map(|it| Outgoing::event(&link.names, it));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        link.publish(&messages).await
    }

    pub(super) async fn claim(&self, queue: &str, limit: usize) -> Result<Vec<Delivery>, Error> {
        let line = self.line(queue)?;
        let subscription = if let Some(it) = line.feed() {
            it
        } else {
            self.0.link.ready().await?;
            let new = self.subscribe(line)?;
            // Until the group has let it in, "nothing waits" would not be true.
            new.feed.reach(Phase::Joined).await;
            new
        };
        let number = || self.0.claimed.fetch_add(1, Ordering::Relaxed);
        let claimed = subscription.feed.claim(limit, number).await;
        claimed.map_err(|_| AWAY)
    }

    fn subscribe(&self, line: &Line) -> Result<Subscription, Error> {
        let mut slot = line.feed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subscription) = slot.as_ref() {
            return Ok(subscription.clone());
        }
        let (link, queue) = (&self.0.link, line.queue);
        let (tell, wanted) = mpsc::unbounded_channel();
        let config = settings::consumer(&link.url, &link.names.group(queue.name));
        let member = Member::join(&config, &link.names.read_by(&queue), tell);
        let member = Arc::new(member.map_err(|error| Error::Internal(error.into()))?);
        let feed = Arc::new(Feed::new(Arc::clone(&member)));
        let (orders, ordered) = mpsc::unbounded_channel();
        let unreadable = Arc::clone(&line.unreadable);
        let driver = Driver::new(Arc::clone(&feed), member, wanted, ordered, unreadable);
        tokio::spawn(driver.run());
        Ok(slot.insert(Subscription { feed, orders }).clone())
    }

    /// Waits until a delivery may be there, but no longer than `limit`.
    pub(super) async fn wait(&self, queue: &str, limit: Duration) {
        match self.line(queue).ok().and_then(Line::feed) {
            Some(subscription) => subscription.feed.wait(limit).await,
            None => sleep(limit).await,
        }
    }

    /// Leaves the group once everything that was begun is settled; what was not begun is for others.
    pub(super) async fn leave(&self, queue: &str) -> Result<(), Error> {
        let Some(subscription) = self.line(queue)?.feed() else {
            return Ok(());
        };
        subscription.feed.begin_no_more();
        // A driver that has ended has left.
        _ = subscription.orders.send(Order::Leave);
        subscription.feed.leave_if_idle().await;
        Ok(())
    }

    pub(super) async fn settle(
        &self,
        delivery: &Delivery,
        settlement: Settlement,
    ) -> Result<(), Error> {
        let seq = delivery.seq;
        let mut feeds = self.0.lines.iter().filter_map(|it| Some((it, it.feed()?)));
        let held = feeds.find_map(|(line, it)| Some((line, it.feed.begin_settling(seq)?, it.feed)));
        let Some((line, (incoming, attempt), feed)) = held else {
            return Ok(());
        };
        let aside = self.put_aside(line.queue.name, &incoming, attempt, settlement);
        if let Err(error) = timeout(SETTLE_TIMEOUT, aside).await.unwrap_or(Err(AWAY)) {
            feed.book(|book| book.put_back(seq));
            return Err(error);
        }
        let done = if settlement == Settlement::Done {
            feed.done(seq);
            Ok(())
        } else {
            // Until then it counts twice.
            feed.done_for_sure(seq).await.map_err(|_| AWAY)
        };
        feed.leave_if_idle().await;
        done
    }

    /// Publishes what follows from it, if anything does.
    async fn put_aside(
        &self,
        queue: &str,
        incoming: &Incoming,
        attempt: i64,
        settlement: Settlement,
    ) -> Result<(), Error> {
        let (link, message) = (&self.0.link, &incoming.message);
        let outgoing = match settlement {
            Settlement::Done => return Ok(()),
            Settlement::Dead(reason) => {
                Outgoing::dead(message, link.names.dead(queue), attempt, reason)
            }
            Settlement::Retry(wait) | Settlement::Postpone(wait) => {
                let counts = matches!(settlement, Settlement::Retry(_));
                let tried = attempt - i64::from(!counts);
                Outgoing::again(message, link.names.retry(queue), tried).after(wait)
            }
        };
        while link.publish(std::slice::from_ref(&outgoing)).await.is_err() {
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Takes every topic and group away, with all that is in them.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let names = &self.0.link.names;
        let remove = async |admin: &topics::Admin| names.remove(admin).await;
        self.0.link.with_admin(remove).await.map_err(|error| {
            tracing::warn!(error, "topics not deleted");
            AWAY
        })
    }

    pub(super) async fn ping(self) -> Result<(), String> {
        let check = async {
            let away = |_| "no connection".to_owned();
            self.0.link.ready().await.map_err(away)?;
            let (producer, topic) = (self.0.link.producer(), self.0.link.names.any());
            let ask = move || {
                let client = producer.client();
                client.fetch_metadata(Some(&topic), PING_TIMEOUT).map(|it| {
                    let topic = it.topics().first();
                    topic.is_some_and(|it| it.error().is_none() && !it.partitions().is_empty())
                })
            };
            let unreadable = |it: &&Line| it.unreadable.load(Ordering::Relaxed);
            match spawn_blocking(ask).await {
                Ok(Ok(true)) => match self.0.lines.iter().find(unreadable) {
                    Some(line) => Err(format!("queue {} unreadable", line.queue.name)),
                    None => Ok(()),
                },
                Ok(Ok(false)) => {
                    self.0.link.doubt().await;
                    Err("topics missing".to_owned())
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        };
        let checked = timeout(PING_TIMEOUT, check).await;
        checked.unwrap_or_else(|_| Err(format!("no response within {PING_TIMEOUT:?}")))
    }
}

#[cfg(test)]
mod tests;
