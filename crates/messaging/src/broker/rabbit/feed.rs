//! What the server pushes to one consumer.

use std::{collections::VecDeque, time::Duration};

use chassis::Error;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::{sleep, timeout};

use super::{
    link::{Lane, call},
    topology::Names,
};
use crate::broker::PREFETCH;

/// A subscription to one queue. The server sends no more than [`PREFETCH`] deliveries ahead of their settling.
pub(super) struct Feed {
    pub(super) channel: Channel,
    consumer: Consumer,
    buffer: VecDeque<Delivery>,
    over: bool,
}

impl Feed {
    pub(super) async fn subscribe(lane: &Lane, queue: ShortString) -> Result<Self, Error> {
        let channel = call(lane.connection.create_channel()).await?;
        call(channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        Self::consume(channel, queue, BasicConsumeOptions::default()).await
    }

    /// A subscription to all events of what is broadcast from now on, through a queue that ends with it. Nothing has to be
    /// settled: the server sends what it has and forgets it.
    pub(super) async fn overhear(lane: &Lane, names: &Names) -> Result<Self, Error> {
        let channel = call(lane.connection.create_channel()).await?;
        let queue = call(names.declare_ear(&channel)).await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        Self::consume(channel, queue, options).await
    }

    async fn consume(
        channel: Channel,
        queue: ShortString,
        options: BasicConsumeOptions,
    ) -> Result<Self, Error> {
        let consume = channel.basic_consume(queue, "".into(), options, FieldTable::default());
        Ok(Self {
            consumer: call(consume).await?,
            channel,
            buffer: VecDeque::new(),
            over: false,
        })
    }

    /// Whether deliveries still come.
    pub(super) fn lives(&self) -> bool {
        !self.over && self.channel.status().connected()
    }

    /// Takes in what has arrived and says how much is there.
    pub(super) fn fill(&mut self) -> usize {
        while let Some(next) = self.consumer.next().now_or_never() {
            if !self.take_in(next) {
                break;
            }
        }
        self.buffer.len()
    }

    /// The oldest delivery that has arrived.
    pub(super) fn pop(&mut self) -> Option<Delivery> {
        self.buffer.pop_front()
    }

    /// Drops what has arrived.
    pub(super) fn forget(&mut self) {
        self.buffer.clear();
    }

    /// Returns when something has arrived, or the feed is over, or `limit` has passed.
    pub(super) async fn wait(&mut self, limit: Duration) {
        if self.over {
            sleep(limit).await;
        } else if self.buffer.is_empty()
            && let Ok(next) = timeout(limit, self.consumer.next()).await
        {
            self.take_in(next);
        }
    }

    /// Asks for nothing more; what has arrived remains.
    pub(super) async fn cancel(&mut self) {
        let cancel = self
            .channel
            .basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        if call(cancel).await.is_ok() {
            self.fill();
        }
    }

    fn take_in(&mut self, next: Option<lapin::Result<Delivery>>) -> bool {
        if let Some(Ok(delivery)) = next {
            self.buffer.push_back(delivery);
            return true;
        }
        self.over = true;
        false
    }
}
