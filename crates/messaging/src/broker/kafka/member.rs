//! A member of a group, as librdkafka has it.

use std::{
    ops::Deref,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    config::{FromClientConfigAndContext as _, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, StreamConsumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};
use tokio::sync::mpsc::UnboundedSender;

use super::settings::Said;

/// Partitions to take or to give up. librdkafka goes on when it is answered.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Assigned(TopicPartitionList),
    Revoked(TopicPartitionList),
}

pub(super) struct Context {
    changes: UnboundedSender<Change>,
    /// The change that is not answered yet.
    pending: Mutex<Option<Change>>,
    /// Nobody answers any more.
    closing: AtomicBool,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Said.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Said.error(error, reason);
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let change = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                Change::Assigned(partitions.clone())
            }
            _ => Change::Revoked(partitions.clone()),
        };
        if self.closing.load(Ordering::SeqCst) {
            comply(consumer, &change);
            return;
        }
        *self.pending() = Some(change.clone());
        // Nobody listens only while the member is closed.
        _ = self.changes.send(change);
    }
}

impl Context {
    fn pending(&self) -> std::sync::MutexGuard<'_, Option<Change>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It leaves its group when it is dropped, which may take a moment.
pub(super) struct Member(StreamConsumer<Context>);

impl Member {
    /// Joins the group of `config` to read `topics`; `changes` hears what the server wants.
    pub(super) fn join(
        config: &ClientConfig,
        topics: &[String],
        changes: UnboundedSender<Change>,
    ) -> KafkaResult<Self> {
        let context = Context {
            changes,
            pending: Mutex::default(),
            closing: AtomicBool::new(false),
        };
        let consumer = StreamConsumer::from_config_and_context(config, context)?;
        let topics: Vec<_> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        Ok(Self(consumer))
    }

    /// Does what the server wants; partitions are read from the offsets in `change`.
    pub(super) fn answer(&self, change: &Change) {
        *self.0.context().pending() = None;
        comply(&self.0, change);
    }
}

impl Deref for Member {
    type Target = StreamConsumer<Context>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Closing takes an answer to whatever the server wanted last.
        self.0.context().closing.store(true, Ordering::SeqCst);
        let pending = self.0.context().pending().take();
        if let Some(change) = pending {
            comply(&self.0, &change);
        }
    }
}

fn comply<C: ConsumerContext>(consumer: &impl rdkafka::consumer::Consumer<C>, change: &Change) {
    let done = match change {
        Change::Assigned(partitions) => consumer.incremental_assign(partitions),
        Change::Revoked(partitions) => consumer.incremental_unassign(partitions),
    };
    if let Err(error) = done {
        tracing::warn!(%error, "partition assignment not applied");
    }
}
