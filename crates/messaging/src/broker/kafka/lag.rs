//! How much is in a queue: what the group has not done of its topics, and its dead letters.

use std::sync::{Arc, PoisonError};

use chassis::Error;
use rdkafka::{
    Offset, TopicPartitionList,
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext},
    error::KafkaResult,
};
use tokio::task::spawn_blocking;

use super::{
    Line, Queues,
    note::Note,
    settings::{self, AWAY, CALL_TIMEOUT},
    topics::{DEAD_PARTITIONS, PARTITIONS},
};
use crate::broker::Depth;

/// Somebody who asks about a group and is no member of it: a server answers what comes over one connection in turn, and a
/// member's has a request to wait for messages before all others.
pub(super) type Asker = BaseConsumer;

impl Queues {
    /// All replicas say the same: what was begun, by anybody, is not done.
    pub(in crate::broker) async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        let line = self.line(queue)?;
        self.0.link.ready().await?;
        let names = &self.0.link.names;
        let mut read = TopicPartitionList::new();
        for topic in names.read_by(&line.queue) {
            read.add_partition_range(&topic, 0, PARTITIONS - 1);
        }
        let mut dead = TopicPartitionList::new();
        dead.add_partition_range(&names.dead(queue), 0, DEAD_PARTITIONS - 1);
        let asker = self.asker(line)?;
        let counted = spawn_blocking(move || count(&asker, &read, &dead)).await;
        let counted = counted.map_err(|_| AWAY)?;
        counted.map_err(|error| {
            tracing::warn!(%error, queue, "queue lag unknown");
            AWAY
        })
    }

    fn asker(&self, line: &Line) -> Result<Arc<Asker>, Error> {
        let mut slot = line.asker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asker) = slot.as_ref() {
            return Ok(Arc::clone(asker));
        }
        let group = self.0.link.names.group(line.queue.name);
        let config = settings::consumer(&self.0.link.url, &group);
        let asker = Asker::from_config_and_context(&config, DefaultConsumerContext);
        let asker = asker.map_err(|error| Error::Internal(error.into()))?;
        Ok(Arc::clone(slot.insert(Arc::new(asker))))
    }
}

/// In the direction in which messages move, so that none slips through: one that is done here is elsewhere before that.
fn count(
    client: &Asker,
    read: &TopicPartitionList,
    dead: &TopicPartitionList,
) -> KafkaResult<Depth> {
    // Put back, they are in the retry topic first.
    let dead_from = ends(client, dead, Offset::Beginning)?;
    let committed = client.committed_offsets(read.clone(), CALL_TIMEOUT)?;
    let from = ends(client, read, Offset::Beginning)?;
    let to = ends(client, read, Offset::End)?;
    let dead_to = ends(client, dead, Offset::End)?;
    let mut messages = 0;
    for ((committed, from), to) in committed.elements().iter().zip(from).zip(to) {
        messages += match committed.offset() {
            Offset::Offset(offset) => {
                let note = Note::read(committed.metadata(), offset);
                to - offset.max(from) - note.done_before(to)
            }
            _ => to - from,
        }
        .max(0);
    }
    let dead = dead_from.iter().zip(dead_to);
    Ok(Depth {
        messages,
        dead_letters: dead.map(|(from, to)| (to - from).max(0)).sum(),
    })
}

/// The first offset of each partition, or the one after the last.
pub(super) fn ends(
    client: &Asker,
    partitions: &TopicPartitionList,
    which: Offset,
) -> KafkaResult<Vec<i64>> {
    // "Times" before 1970 stand for the two ends.
    let mut times = partitions.clone();
    times.set_all_offsets(which)?;
    let found = client.offsets_for_times(times, CALL_TIMEOUT)?;
    let mut ends = Vec::new();
    for element in found.elements() {
        element.error()?;
        ends.push(element.offset().to_raw().unwrap_or(0).max(0));
    }
    Ok(ends)
}
