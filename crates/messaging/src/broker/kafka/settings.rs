//! How librdkafka is set up, and where what it says goes.

use std::time::Duration;

use chassis::Error;
use rdkafka::{ClientConfig, client::ClientContext, config::RDKafkaLogLevel, error::KafkaError};

use super::KafkaUrl;

/// The longest wait for the answer to one call.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// What callers are told; the cause is logged here.
pub(super) const AWAY: Error = Error::Unavailable("the broker");

/// What all clients have in common.
pub(super) fn client(url: &KafkaUrl) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &url.servers)
        .set("client.id", "windtunnel")
        .set("socket.nagle.disable", "true")
        // A server that hangs is noticed, and one that comes back is found soon.
        .set("socket.timeout.ms", "4000")
        .set("socket.connection.setup.timeout.ms", "3000")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "1000")
        .set("retry.backoff.ms", "50")
        .set("topic.metadata.propagation.max.ms", "3000");
    config
}

/// A producer whose messages are there once, in order, and on all replicas when they are acknowledged.
pub(super) fn producer(url: &KafkaUrl) -> ClientConfig {
    let mut config = client(url);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "1")
        // As Kafka's own clients place keys.
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", "3000")
        .set("request.timeout.ms", "2000")
        .set("queue.buffering.max.messages", "10000")
        .set("queue.buffering.max.kbytes", "16384");
    config
}

/// A member of `group`, or somebody who only asks about it.
pub(super) fn consumer(url: &KafkaUrl, group: &str) -> ClientConfig {
    let mut config = client(url);
    config
        .set("group.id", group)
        // The protocol of KIP-848: the server assigns partitions, and a change stops only those that move.
        .set("group.protocol", "consumer")
        // Each topic is shared by all replicas, and what is about one order comes to the same.
        .set("group.remote.assignor", "range")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // What was told before anybody listened is heard too.
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "500")
        .set("fetch.error.backoff.ms", "50")
        .set("fetch.queue.backoff.ms", "20")
        // The defaults, 100,000 messages and 64 MiB, are for other loads.
        .set("queued.min.messages", "200")
        .set("queued.max.messages.kbytes", "1024")
        .set("max.partition.fetch.bytes", "262144")
        .set("fetch.max.bytes", "4194304");
    config
}

/// Writes what librdkafka says to our log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said;

impl ClientContext for Said {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if level as i32 <= RDKafkaLogLevel::Warning as i32 {
            tracing::warn!(facility, message, "Kafka client warning");
        } else {
            tracing::debug!(facility, message, "Kafka client message");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka client error");
    }
}
