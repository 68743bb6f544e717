//! The exchanges and queues, and how they hang together.
//!
//! `PREFIX` is the topic exchange that events go to by their type; each consumer has a queue `PREFIX.NAME` bound to it. What
//! failed goes to `PREFIX.NAME.retry.MS`, where it lives for so many milliseconds and then falls back into the queue; what was
//! given up goes through the exchange `PREFIX.dead` to `PREFIX.NAME.dead`. Who overhears events has a queue that the server names
//! and that ends with its connection.
//!
//! All other queues are quorum queues: on the disks of most nodes before they are confirmed. They pass on what expires at least once
//! (the default, at most once, loses what is on its way when a node dies); that needs the overflow behaviour
//! "reject-publish", which without a length limit never comes into play.

use std::time::Duration;

use lapin::{
    Channel, ExchangeKind,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::{Queue, Topology};

/// The waits there are, in milliseconds: only the head of a queue expires, so that each wait needs a queue of its own.
const WAITS: [u32; 4] = [100, 500, 1_000, 3_000];
/// Newer servers drop what was delivered more than 20 times; it is us who decide when a delivery is given up.
const DELIVERY_LIMIT: i64 = 1_000_000_000;

/// What our things are called at the server.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
    topology: Topology,
}

impl Names {
    pub(super) fn new(prefix: &str, topology: &Topology) -> Self {
        Self {
            prefix: prefix.to_owned(),
            topology: topology.clone(),
        }
    }

    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(super) fn exchange(&self) -> ShortString {
        self.prefix.as_str().into()
    }

    pub(super) fn dead_exchange(&self) -> ShortString {
        format!("{}.dead", self.prefix).into()
    }

    pub(super) fn queue(&self, queue: &str) -> ShortString {
        format!("{}.{queue}", self.prefix).into()
    }

    pub(super) fn dead(&self, queue: &str) -> ShortString {
        format!("{}.{queue}.dead", self.prefix).into()
    }

    /// Where to wait for `wait`, or a little longer, or the longest that there is; and for how long that is.
    pub(super) fn retry(&self, queue: &str, wait: Duration) -> (ShortString, Duration) {
        let enough = |it: &u32| Duration::from_millis(u64::from(*it)) >= wait;
        let longest = WAITS[WAITS.len() - 1];
        let ms = WAITS.into_iter().find(enough).unwrap_or(longest);
        let name = self.retry_queue(queue, ms);
        (name, Duration::from_millis(u64::from(ms)))
    }

    pub(super) fn retries(&self, queue: &str) -> impl Iterator<Item = ShortString> {
        WAITS.into_iter().map(move |ms| self.retry_queue(queue, ms))
    }

    fn retry_queue(&self, queue: &str, ms: u32) -> ShortString {
        format!("{}.{queue}.retry.{ms}", self.prefix).into()
    }

    /// Makes what is missing.
    pub(super) async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        let exchanges = [
            (self.exchange(), ExchangeKind::Topic),
            (self.dead_exchange(), ExchangeKind::Direct),
        ];
        for (name, kind) in exchanges {
            let options = ExchangeDeclareOptions {
                durable: true,
                ..ExchangeDeclareOptions::default()
            };
            let declare = channel.exchange_declare(name, kind, options, FieldTable::default());
            declare.await?;
        }
        for queue in self.topology.queues.iter() {
            self.declare_queue(channel, queue).await?;
        }
        Ok(())
    }

    /// Makes a queue for what one process overhears; it goes with the process's connection.
    pub(super) async fn declare_ear(&self, channel: &Channel) -> lapin::Result<ShortString> {
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel.queue_declare("".into(), options, FieldTable::default());
        let name = queue.await?.name().clone();
        for kind in self.topology.broadcast {
            bind(channel, name.clone(), self.exchange(), kind).await?;
        }
        Ok(name)
    }

    /// Takes every queue and exchange away, with all that is in them.
    pub(super) async fn remove(&self, channel: &Channel) -> lapin::Result<()> {
        for queue in self.topology.queues.iter() {
            let ours = [self.queue(queue.name), self.dead(queue.name)];
            for name in ours.into_iter().chain(self.retries(queue.name)) {
                let options = QueueDeleteOptions::default();
                channel.queue_delete(name, options).await?;
            }
        }
        for name in [self.exchange(), self.dead_exchange()] {
            let options = ExchangeDeleteOptions::default();
            channel.exchange_delete(name, options).await?;
        }
        Ok(())
    }

    async fn declare_queue(&self, channel: &Channel, queue: &Queue) -> lapin::Result<()> {
        let (main, dead) = (self.queue(queue.name), self.dead(queue.name));
        declare(channel, dead.clone(), FieldTable::default()).await?;
        bind(channel, dead, self.dead_exchange(), queue.name).await?;
        let mut arguments = FieldTable::default();
        pass_on(&mut arguments, self.dead_exchange().as_str(), queue.name);
        declare(channel, main.clone(), arguments).await?;
        for kind in queue.types {
            bind(channel, main.clone(), self.exchange(), kind).await?;
        }
        for ms in WAITS {
            let mut arguments = FieldTable::default();
            arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(ms.into()));
            pass_on(&mut arguments, "", main.as_str());
            declare(channel, self.retry_queue(queue.name, ms), arguments).await?;
        }
        Ok(())
    }
}

/// What leaves a queue unsettled goes to `exchange` with `key`.
fn pass_on(arguments: &mut FieldTable, exchange: &str, key: &str) {
    let mut text = |name: &str, value: &str| {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    };
    text("x-dead-letter-exchange", exchange);
    text("x-dead-letter-routing-key", key);
    text("x-dead-letter-strategy", "at-least-once");
    text("x-overflow", "reject-publish");
}

async fn declare(
    channel: &Channel,
    name: ShortString,
    mut arguments: FieldTable,
) -> lapin::Result<()> {
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    let limit = AMQPValue::LongLongInt(DELIVERY_LIMIT);
    arguments.insert("x-delivery-limit".into(), limit);
    let options = QueueDeclareOptions::durable();
    channel.queue_declare(name, options, arguments).await?;
    Ok(())
}

async fn bind(
    channel: &Channel,
    queue: ShortString,
    exchange: ShortString,
    key: &str,
) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    let arguments = FieldTable::default();
    channel
        .queue_bind(queue, exchange, key.into(), options, arguments)
        .await
}
