//! What all processes may overhear: each reads on its own from where the topics end just then.

use std::fmt;

use chassis::Error;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    config::FromClientConfigAndContext as _,
    consumer::{Consumer as _, DefaultConsumerContext, StreamConsumer},
    error::KafkaResult,
};
use tokio::{task::spawn_blocking, time::sleep};

use super::{
    Queues,
    lag::{Asker, ends},
    settings,
    topics::PARTITIONS,
};
use crate::broker::{Overheard, PAUSE};

/// Where what librdkafka says goes to.
type Ear = StreamConsumer<DefaultConsumerContext>;

/// Who listens.
pub(crate) struct Overhearing {
    queues: Queues,
    ear: Option<Ear>,
}

impl fmt::Debug for Overhearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Overhearing").field(&self.queues).finish()
    }
}

impl Queues {
    pub(in crate::broker) fn overhear(&self) -> Overhearing {
        Overhearing {
            queues: self.clone(),
            ear: None,
        }
    }

    async fn listen(&self) -> Result<Ear, Error> {
        let link = &self.0.link;
        link.ready().await?;
        // The client wants a group, but is no member of it: partitions are its own choice, and no offset is committed.
        let config = settings::consumer(&link.url, &link.names.group("ears"));
        let topics = link.names.broadcast();
        let listen = move || -> KafkaResult<Ear> {
            let mut list = TopicPartitionList::new();
            for topic in &topics {
                list.add_partition_range(topic, 0, PARTITIONS - 1);
            }
            let asker = Asker::from_config_and_context(&config, DefaultConsumerContext)?;
            let from = ends(&asker, &list, Offset::End)?;
            let mut at_the_end = TopicPartitionList::new();
            for (element, offset) in list.elements().iter().zip(from) {
                let (topic, partition) = (element.topic(), element.partition());
                at_the_end.add_partition_offset(topic, partition, Offset::Offset(offset))?;
            }
            let ear = Ear::from_config_and_context(&config, DefaultConsumerContext)?;
            ear.assign(&at_the_end)?;
            Ok(ear)
        };
        let listening = spawn_blocking(listen).await;
        let listening = listening.map_err(|error| Error::Internal(error.into()))?;
        listening.map_err(|error| {
            tracing::warn!(%error, "broadcasts unavailable; retrying");
            settings::AWAY
        })
    }
}

impl Overhearing {
    pub(in crate::broker) async fn next(&mut self) -> Overheard {
        loop {
            let Some(ear) = &self.ear else {
                match self.queues.listen().await {
                    Ok(ear) => {
                        self.ear = Some(ear);
                        return Overheard::Gap;
                    }
                    Err(_) => sleep(PAUSE).await,
                }
                continue;
            };
            match ear.recv().await {
                Ok(message) => return Overheard::read(message.payload().unwrap_or_default()),
                // The connection is lost, and what has been told since may be far back when there is one again.
                Err(error) => {
                    tracing::warn!(%error, "broadcasts unavailable; retrying");
                    self.forget();
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// The client waits for its threads when it ends.
    fn forget(&mut self) {
        let ear = self.ear.take();
        spawn_blocking(move || drop(ear));
    }
}
