//! Dead letters: looked at, and put back.

use std::sync::atomic::{AtomicI64, Ordering};

use chassis::Error;
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicGetOptions},
    types::ShortString,
};

use super::{
    Queues,
    depth::{count, whole},
    link::call,
    message::{Outgoing, dead_letter},
};
use crate::broker::DeadLetter;

/// How many are shown, ...
const SHOWN: usize = 100;
/// ... out of how many: to see the last, one has to take out all before it.
const SEEN: i64 = 1_000;
/// How many are put back at once.
const BATCH: i64 = 100;

/// Letters that are out of their queue; it ends when they are back or gone.
struct Out<'a>(&'a AtomicI64, i64);

impl Out<'_> {
    fn add(&mut self) {
        self.1 += 1;
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Queues {
    /// The newest of the oldest thousand: a queue is read from its beginning.
    pub(in crate::broker) async fn dead_letters(
        &self,
        queue: &str,
    ) -> Result<Vec<DeadLetter>, Error> {
        let line = self.line(queue)?;
        let _turn = line.dead.lock().await;
        let mut out = Out(&line.dead_held, 0);
        let channel = self.dead_channel().await?;
        let name = self.0.names.dead(queue);
        let letters = take(&channel, &name, SEEN, &mut out).await;
        // With the channel's end they are back in their queue.
        call(channel.close(200, "looked at".into())).await?;
        let mut letters: Vec<_> = letters?.iter().map(dead_letter).collect();
        letters.sort_by_key(|it| std::cmp::Reverse(it.died_at));
        letters.truncate(SHOWN);
        Ok(letters)
    }

    pub(in crate::broker) async fn replay_dead_letters(&self, queue: &str) -> Result<u64, Error> {
        let line = self.line(queue)?;
        let _turn = line.dead.lock().await;
        let channel = self.dead_channel().await?;
        let (name, main) = (self.0.names.dead(queue), self.0.names.queue(queue));
        // What dies again meanwhile is for the next replay.
        let mut left = count(&channel, name.clone()).await?;
        let mut replayed = 0;
        while left > 0 {
            let mut out = Out(&line.dead_held, 0);
            let letters = take(&channel, &name, left.min(BATCH), &mut out).await?;
            let again = |it| Outgoing::again(it, main.clone(), 0);
            let messages: Vec<_> = letters.iter().map(again).collect();
            let Some(last) = letters.last() else {
                break;
            };
            self.0.outward.publish(&messages).await?;
            let all = BasicAckOptions { multiple: true };
            call(last.ack(all)).await?;
            left -= whole(letters.len());
            replayed += letters.len() as u64;
        }
        call(channel.close(200, "put back".into())).await?;
        Ok(replayed)
    }

    async fn dead_channel(&self) -> Result<Channel, Error> {
        let lane = self.0.inward.lane().await?;
        call(lane.connection.create_channel()).await
    }
}

/// Up to `limit` letters, the oldest first.
async fn take(
    channel: &Channel,
    queue: &ShortString,
    limit: i64,
    out: &mut Out<'_>,
) -> Result<Vec<Delivery>, Error> {
    let mut letters = Vec::new();
    while whole(letters.len()) < limit {
        let get = channel.basic_get(queue.clone(), BasicGetOptions::default());
        let Some(got) = call(get).await? else {
            break;
        };
        out.add();
        letters.push(got.delivery);
    }
    Ok(letters)
}
