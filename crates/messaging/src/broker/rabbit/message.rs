//! An event as a message: its JSON is the body, and what a router or a person at the server wants to know is beside it.
//!
//! The attributes are application properties as in the AMQP binding of `CloudEvents` (structured mode, so that the body
//! alone says everything), the trace context is there under its W3C names too.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md>

use anyhow::Context as _;
use chassis::{Error, now_ms};
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::topology::Names;
use crate::{Event, broker::DeadLetter};

/// Tries before this delivery, but those that ended with their consumer: the server counts them, in [`CRASHES`].
const ATTEMPTS: &str = "x-attempts";
const CRASHES: &str = "x-delivery-count";
const REASON: &str = "x-reason";
const DIED_AT: &str = "x-died-at";
/// The delivery mode of what survives the server.
const PERSISTENT: u8 = 2;

/// A message on its way to the server.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    /// It has to reach a queue.
    pub(super) mandatory: bool,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

impl Outgoing {
    pub(super) fn event(names: &Names, event: &Event) -> Result<Self, Error> {
        let kind = event.kind.as_str();
        let mut headers = FieldTable::default();
        let attributes = [
            ("cloudEvents:specversion", Some(event.specversion.as_str())),
            ("cloudEvents:id", Some(&event.id)),
            ("cloudEvents:source", Some(&event.source)),
            ("cloudEvents:type", Some(kind)),
            ("cloudEvents:subject", Some(&event.subject)),
            ("cloudEvents:time", Some(&event.time)),
            ("cloudEvents:requestid", event.requestid.as_deref()),
            ("cloudEvents:traceparent", event.traceparent.as_deref()),
            ("cloudEvents:tracestate", event.tracestate.as_deref()),
            ("traceparent", event.traceparent.as_deref()),
            ("tracestate", event.tracestate.as_deref()),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                headers.insert(name.into(), AMQPValue::LongString(value.into()));
            }
        }
        let id = ShortString::try_new(event.id.as_str()).context("name a message")?;
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(id)
            .with_type(kind.into())
            .with_headers(headers);
        Ok(Self {
            exchange: names.exchange(),
            key: kind.into(),
            // Nobody may listen to an event, but whoever does has a queue.
            mandatory: names.topology().listeners(kind).next().is_some(),
            properties,
            body: serde_json::to_vec(event).context("serialize an event")?,
        })
    }

    /// `delivery` once more, for `queue`; it says how often it was tried.
    pub(super) fn again(delivery: &Delivery, queue: ShortString, attempts: i64) -> Self {
        let mut headers = our_headers(delivery);
        if attempts > 0 {
            headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(attempts));
        }
        Self {
            exchange: "".into(),
            key: queue,
            mandatory: true,
            properties: delivery.properties.clone().with_headers(headers),
            body: delivery.data.clone(),
        }
    }

    /// `delivery` as a dead letter of `queue`.
    pub(super) fn dead(
        names: &Names,
        queue: &str,
        delivery: &Delivery,
        attempts: i64,
        reason: &str,
    ) -> Self {
        let mut it = Self::again(delivery, queue.into(), attempts);
        it.exchange = names.dead_exchange();
        let mut headers = it.properties.headers().clone().unwrap_or_default();
        headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
        headers.insert(DIED_AT.into(), AMQPValue::LongLongInt(now_ms()));
        it.properties = it.properties.with_headers(headers);
        it
    }
}

/// Which try `delivery` is.
pub(super) fn attempt(delivery: &Delivery) -> i64 {
    number(delivery, ATTEMPTS) + number(delivery, CRASHES) + 1
}

/// The event's id, which a message that is none of ours may lack.
pub(super) fn event_id(delivery: &Delivery) -> String {
    let id = delivery.properties.message_id().as_ref();
    id.map(ToString::to_string).unwrap_or_default()
}

/// What the headers of a dead letter say.
pub(super) fn dead_letter(delivery: &Delivery) -> DeadLetter {
    let reason = match header(delivery, REASON) {
        Some(AMQPValue::LongString(it)) => String::from_utf8_lossy(it.as_bytes()).into_owned(),
        // The server itself gave it up.
        _ => "rejected".to_owned(),
    };
    DeadLetter {
        event_id: event_id(delivery),
        attempts: number(delivery, ATTEMPTS),
        reason,
        died_at: number(delivery, DIED_AT),
    }
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> Option<&'a AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name)
}

fn number(delivery: &Delivery, name: &str) -> i64 {
    match header(delivery, name) {
        Some(AMQPValue::LongLongInt(it)) => *it,
        Some(AMQPValue::LongInt(it)) => i64::from(*it),
        Some(AMQPValue::LongUInt(it)) => i64::from(*it),
        Some(AMQPValue::ShortInt(it)) => i64::from(*it),
        Some(AMQPValue::ShortUInt(it)) => i64::from(*it),
        Some(AMQPValue::ShortShortInt(it)) => i64::from(*it),
        Some(AMQPValue::ShortShortUInt(it)) => i64::from(*it),
        _ => 0,
    }
}

/// The headers of `delivery` but those that tell of its way so far.
fn our_headers(delivery: &Delivery) -> FieldTable {
    let mut ours = FieldTable::default();
    if let Some(headers) = delivery.properties.headers() {
        for (name, value) in headers.inner() {
            if !name.as_str().starts_with("x-") {
                ours.insert(name.clone(), value.clone());
            }
        }
    }
    ours
}
