//! How much is in a queue.

use std::sync::atomic::Ordering;

use chassis::Error;
use lapin::{
    Channel,
    options::QueueDeclareOptions,
    types::{FieldTable, ShortString},
};
use tokio::time::{Duration, Instant, timeout};

use super::{
    Queues,
    feed::Feed,
    link::{AWAY, CALL_TIMEOUT, call},
};
use crate::broker::Depth;

/// What has expired may be on its way back into its queue for so long.
const FALL: Duration = Duration::from_millis(500);

impl Queues {
    /// Replicas count what waits at the server and what they hold themselves: if all of them say nothing, there is nothing.
    pub(in crate::broker) async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        let line = self.line(queue)?;
        let mut feed = timeout(CALL_TIMEOUT, line.feed.lock())
            .await
            .map_err(|_| AWAY)?;
        let own = feed.as_ref().filter(|it| it.lives());
        let channel = match own {
            Some(feed) => feed.channel.clone(),
            None => self.0.inward.lane().await?.channel,
        };
        // In the direction in which messages move, so that none slips through. What the server sent us before it answered the
        // last question has arrived by then.
        let names = &self.0.names;
        let mut messages = 0;
        for retry in names.retries(queue) {
            messages += count(&channel, retry).await?;
        }
        messages += count(&channel, names.queue(queue)).await?;
        let dead = count(&channel, names.dead(queue)).await?;
        let arrived = feed.as_mut().map_or(0, Feed::fill);
        let held = self.held().values().filter(|it| it.queue == queue).count();
        Ok(Depth {
            messages: messages + whole(arrived) + whole(held) + self.falling(queue)?,
            dead_letters: dead + line.dead_held.load(Ordering::Relaxed),
        })
    }

    /// What may be out of the queue it expired in and not yet in the one it falls back into.
    fn falling(&self, queue: &str) -> Result<i64, Error> {
        let now = Instant::now();
        let mut parked = self.parked(queue)?;
        parked.retain(|it| now < *it + FALL);
        Ok(whole(parked.iter().filter(|it| **it <= now).count()))
    }
}

/// How many messages wait in `queue`.
pub(super) async fn count(channel: &Channel, queue: ShortString) -> Result<i64, Error> {
    let options = QueueDeclareOptions::durable().passive();
    let declare = channel.queue_declare(queue, options, FieldTable::default());
    Ok(i64::from(call(declare).await?.message_count()))
}

pub(super) fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
