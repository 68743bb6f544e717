//! Dead letters: looked at, and put back.

use std::time::{Duration, Instant};

use chassis::Error;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    config::FromClientConfigAndContext as _,
    consumer::{Consumer as _, DefaultConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::OwnedMessage,
};
use tokio::task::spawn_blocking;

use super::{
    Queues,
    lag::{Asker, ends},
    message::{Outgoing, dead_letter},
    settings::{self, AWAY},
    topics::patient,
};
use crate::broker::DeadLetter;

/// How many are shown.
const SHOWN: i64 = 100;
/// How many are put back at once.
const BATCH: i64 = 100;
/// The longest wait until letters that are there have arrived.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

impl Queues {
    pub(in crate::broker) async fn dead_letters(
        &self,
        queue: &str,
    ) -> Result<Vec<DeadLetter>, Error> {
        let (first, end) = self.dead_range(queue).await?;
        let letters = self.read_dead(queue, first.max(end - SHOWN), end).await?;
        let mut letters: Vec<_> = letters.iter().map(dead_letter).collect();
        letters.sort_by_key(|it| std::cmp::Reverse(it.died_at));
        Ok(letters)
    }

    pub(in crate::broker) async fn replay_dead_letters(&self, queue: &str) -> Result<u64, Error> {
        let _turn = self.line(queue)?.dead.lock().await;
        // What dies again meanwhile is for the next replay.
        let (mut first, end) = self.dead_range(queue).await?;
        let names = &self.0.link.names;
        let mut replayed = 0;
        while first < end {
            let last = end.min(first + BATCH);
            let letters = self.read_dead(queue, first, last).await?;
            let again = |it| Outgoing::again(it, names.retry(queue), 0);
            let messages: Vec<_> = letters.iter().map(again).collect();
            self.0.link.publish(&messages).await?;
            self.forget_dead(queue, last).await?;
            replayed += letters.len() as u64;
            first = last;
        }
        Ok(replayed)
    }

    /// The offsets of the first letter and after the last.
    async fn dead_range(&self, queue: &str) -> Result<(i64, i64), Error> {
        self.line(queue)?;
        self.0.link.ready().await?;
        let topic = self.0.link.names.dead(queue);
        self.blocking(move |reader| {
            let mut list = TopicPartitionList::new();
            list.add_partition(&topic, 0);
            let first = ends(reader, &list, Offset::Beginning)?;
            let end = ends(reader, &list, Offset::End)?;
            Ok((first[0], end[0]))
        })
        .await
    }

    /// The letters from `first` to before `end`.
    async fn read_dead(
        &self,
        queue: &str,
        first: i64,
        end: i64,
    ) -> Result<Vec<OwnedMessage>, Error> {
        if first >= end {
            return Ok(Vec::new());
        }
        let topic = self.0.link.names.dead(queue);
        self.blocking(move |reader| read(reader, &topic, first, end))
            .await
    }

    /// Those before `end` are no letters any more.
    async fn forget_dead(&self, queue: &str, end: i64) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        let topic = self.0.link.names.dead(queue);
        let added = list.add_partition_offset(&topic, 0, Offset::Offset(end));
        added.map_err(|error| Error::Internal(error.into()))?;
        let forget = self.0.link.with_admin(async |admin| {
            let done = admin.delete_records(&list, &patient()).await;
            let done = done.map_err(|error| error.to_string())?;
            let failed = done.elements().iter().find_map(|it| it.error().err());
            failed.map_or(Ok(()), |error| Err(error.to_string()))
        });
        forget.await.map_err(|error| {
            tracing::warn!(error, queue, "replayed dead letters not deleted");
            AWAY
        })
    }

    /// Does `work` with a client that lives as long, where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Asker) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, Error> {
        let config = settings::consumer(&self.0.link.url, &self.0.link.names.group("dead"));
        let done = spawn_blocking(move || {
            let reader = Asker::from_config_and_context(&config, DefaultConsumerContext)?;
            work(&reader)
        });
        let done = done.await.map_err(|_| AWAY)?;
        done.map_err(|error| {
            tracing::warn!(%error, "dead letters unreadable");
            AWAY
        })
    }
}

fn read(reader: &Asker, topic: &str, first: i64, end: i64) -> KafkaResult<Vec<OwnedMessage>> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(first))?;
    reader.assign(&list)?;
    let (mut letters, mut next) = (Vec::new(), first);
    let start = Instant::now();
    let mut missing = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
    while next < end {
        if start.elapsed() > READ_TIMEOUT {
            return Err(missing);
        }
        match reader.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                next = message.offset() + 1;
                if next <= end {
                    letters.push(message.detach());
                }
            }
            // It goes on by itself, if it can.
            Some(Err(error)) => missing = error,
            None => (),
        }
    }
    Ok(letters)
}
