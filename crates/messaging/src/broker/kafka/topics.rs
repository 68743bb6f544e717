//! The topics, and what they are called.
//!
//! `PREFIX.TYPE` has the events of one type, whoever reads them; `PREFIX.QUEUE` is the group of one service's replicas. What
//! failed goes to `PREFIX.QUEUE.retry`, which only that group reads, and what was given up to `PREFIX.QUEUE.dead`.

use std::time::Duration;

use rdkafka::{
    TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
};

use super::settings::CALL_TIMEOUT;
use crate::{Queue, Topology};

/// Two, three or six replicas share them evenly.
pub(super) const PARTITIONS: i32 = 6;
/// Dead letters are few, and read in one order.
pub(super) const DEAD_PARTITIONS: i32 = 1;
/// As many copies as the server makes by default.
const REPLICATION: TopicReplication<'_> = TopicReplication::Fixed(-1);
/// How long a change of many things may take that somebody asked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// A week, in milliseconds: what has not been read by then is deleted. Inboxes remember as long.
const KEPT: &str = "604800000";

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

    pub(super) fn topic(&self, kind: &str) -> String {
        format!("{}.{kind}", self.prefix)
    }

    pub(super) fn group(&self, queue: &str) -> String {
        format!("{}.{queue}", self.prefix)
    }

    pub(super) fn retry(&self, queue: &str) -> String {
        format!("{}.{queue}.retry", self.prefix)
    }

    pub(super) fn dead(&self, queue: &str) -> String {
        format!("{}.{queue}.dead", self.prefix)
    }

    /// The topics that every process may overhear.
    pub(super) fn broadcast(&self) -> Vec<String> {
        let types = self.topology.broadcast.iter();
        types.map(|kind| self.topic(kind)).collect()
    }

    /// One of the topics, whichever.
    pub(super) fn any(&self) -> String {
        let kind = self.topology.types.first();
        self.topic(kind.copied().unwrap_or_default())
    }

    /// What the group of `queue` reads.
    pub(super) fn read_by(&self, queue: &Queue) -> Vec<String> {
        let types = queue.types.iter().map(|kind| self.topic(kind));
        types.chain([self.retry(queue.name)]).collect()
    }

    /// Every topic, and how many partitions it has.
    pub(super) fn all(&self) -> Vec<(String, i32)> {
        let types = self
            .topology
            .types
            .iter()
            .map(|it| (self.topic(it), PARTITIONS));
        let ours = self.topology.queues.iter().flat_map(|it| {
            let retry = (self.retry(it.name), PARTITIONS);
            [retry, (self.dead(it.name), DEAD_PARTITIONS)]
        });
        types.chain(ours).collect()
    }

    /// Every partition.
    pub(super) fn partitions(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (topic, partitions) in self.all() {
            list.add_partition_range(&topic, 0, partitions - 1);
        }
        list
    }

    /// Makes what is missing.
    pub(super) async fn create(&self, admin: &Admin) -> Result<(), String> {
        let all = self.all();
        let topics: Vec<_> = all
            .iter()
            .map(|(name, partitions)| {
                let topic = NewTopic::new(name, *partitions, REPLICATION);
                // A dead letter waits for somebody to look at it, however long that takes.
                let kept = if *partitions == DEAD_PARTITIONS {
                    "-1"
                } else {
                    KEPT
                };
                topic
                    .set("cleanup.policy", "delete")
                    .set("retention.ms", kept)
            })
            .collect();
        let options = AdminOptions::new()
            .request_timeout(Some(CALL_TIMEOUT))
            .operation_timeout(Some(CALL_TIMEOUT));
        let created = admin.create_topics(&topics, &options).await;
        for result in created.map_err(|error| error.to_string())? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => (),
                Err((name, error)) => return Err(format!("create the topic {name}: {error}")),
            }
        }
        Ok(())
    }

    /// Takes every topic and group away, with all that is in them. A group with members stays, and is empty.
    pub(super) async fn remove(&self, admin: &Admin) -> Result<(), String> {
        let all = self.all();
        let topics: Vec<_> = all.iter().map(|it| it.0.as_str()).collect();
        let removed = admin.delete_topics(&topics, &patient()).await;
        for result in removed.map_err(|error| error.to_string())? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => (),
                Err((name, error)) => return Err(format!("delete the topic {name}: {error}")),
            }
        }
        let queues = self.topology.queues.iter();
        let groups: Vec<_> = queues.map(|it| self.group(it.name)).collect();
        let groups: Vec<_> = groups.iter().map(String::as_str).collect();
        let removed = admin.delete_groups(&groups, &patient()).await;
        for result in removed.map_err(|error| error.to_string())? {
            match result {
                Ok(_)
                | Err((_, RDKafkaErrorCode::GroupIdNotFound | RDKafkaErrorCode::NonEmptyGroup)) => {
                }
                Err((name, error)) => return Err(format!("delete the group {name}: {error}")),
            }
        }
        Ok(())
    }
}

/// Makes topics and takes them away.
pub(super) type Admin = AdminClient<DefaultClientContext>;

/// For what no request waits for.
pub(super) fn patient() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE))
}
