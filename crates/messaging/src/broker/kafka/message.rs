//! An event as a message: its JSON is the value, and what a tool or a person at the server wants to know is beside it.
//!
//! The attributes are headers as in the Kafka binding of `CloudEvents` (structured mode, so that the value alone says
//! everything), the trace context is there under its W3C names too.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>

use std::time::Duration;

use anyhow::Context as _;
use chassis::{Error, now_ms};
use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Header, Headers as _, OwnedHeaders, OwnedMessage},
    producer::FutureRecord,
};

use super::topics::Names;
use crate::{Event, broker::DeadLetter};

const ID: &str = "ce_id";
/// Tries before this message, but those of which only a [`super::note::Note`] tells.
const ATTEMPTS: &str = "x-attempts";
/// Not before this, in milliseconds since 1970.
const DUE: &str = "x-due";
const REASON: &str = "x-reason";
const DIED_AT: &str = "x-died-at";
/// Nothing is put aside for longer, whatever a clock says.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A message on its way to the server.
#[derive(Debug)]
pub(super) struct Outgoing {
    topic: String,
    key: Vec<u8>,
    headers: OwnedHeaders,
    value: Vec<u8>,
}

impl Outgoing {
    pub(super) fn event(names: &Names, event: &Event) -> Result<Self, Error> {
        let kind = event.kind.as_str();
        let attributes = [
            ("content-type", Some("application/cloudevents+json")),
            ("ce_specversion", Some(event.specversion.as_str())),
            (ID, Some(&event.id)),
            ("ce_source", Some(&event.source)),
            ("ce_type", Some(kind)),
            ("ce_subject", Some(&event.subject)),
            ("ce_time", Some(&event.time)),
            ("ce_requestid", event.requestid.as_deref()),
            ("ce_traceparent", event.traceparent.as_deref()),
            ("ce_tracestate", event.tracestate.as_deref()),
            ("traceparent", event.traceparent.as_deref()),
            ("tracestate", event.tracestate.as_deref()),
        ];
        let mut headers = OwnedHeaders::new();
        for (key, value) in attributes {
            if value.is_some() {
                headers = headers.insert(Header { key, value });
            }
        }
        Ok(Self {
            topic: names.topic(kind),
            key: event.subject.clone().into_bytes(),
            headers,
            value: serde_json::to_vec(event).context("serialize an event")?,
        })
    }

    /// `message` once more, for `topic`; it says how often it was tried.
    pub(super) fn again(message: &OwnedMessage, topic: String, attempts: i64) -> Self {
        let it = Self {
            topic,
            key: message.key().unwrap_or_default().to_vec(),
            headers: our_headers(message),
            value: message.payload().unwrap_or_default().to_vec(),
        };
        if attempts > 0 {
            it.with(ATTEMPTS, &attempts.to_string())
        } else {
            it
        }
    }

    /// The same, but not before `wait` is over. It counts from when the settling is over, which takes a moment itself.
    pub(super) fn after(self, wait: Duration) -> Self {
        let ms = i64::try_from((wait + wait / 4).as_millis()).unwrap_or(i64::MAX);
        if ms == 0 {
            return self;
        }
        self.with(DUE, &now_ms().saturating_add(ms).to_string())
    }

    /// `message` as a dead letter in `topic`.
    pub(super) fn dead(message: &OwnedMessage, topic: String, attempts: i64, why: &str) -> Self {
        Self::again(message, topic, attempts)
            .with(REASON, why)
            .with(DIED_AT, &now_ms().to_string())
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        let value = Some(value);
        self.headers = self.headers.insert(Header { key, value });
        self
    }

    pub(super) fn record(&self) -> FutureRecord<'_, [u8], [u8]> {
        FutureRecord::to(&self.topic)
            .key(self.key.as_slice())
            .payload(self.value.as_slice())
            .headers(self.headers.clone())
    }
}

/// A message as it was received.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) event_id: String,
    /// Tries before it, as its headers say.
    pub(super) attempts: i64,
    /// How long it has still to wait.
    pub(super) wait: Duration,
    pub(super) message: OwnedMessage,
}

impl Incoming {
    pub(super) fn new(message: &BorrowedMessage<'_>) -> Self {
        let message = message.detach();
        let due = number(&message, DUE).saturating_sub(now_ms());
        let wait = Duration::from_millis(u64::try_from(due).unwrap_or(0));
        Self {
            event_id: header(&message, ID).unwrap_or_default(),
            attempts: number(&message, ATTEMPTS).max(0),
            wait: wait.min(LONGEST_WAIT),
            message,
        }
    }

    pub(super) fn body(&self) -> String {
        let value = self.message.payload().unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    }
}

/// What the headers of a dead letter say.
pub(super) fn dead_letter(message: &OwnedMessage) -> DeadLetter {
    DeadLetter {
        event_id: header(message, ID).unwrap_or_default(),
        attempts: number(message, ATTEMPTS),
        reason: header(message, REASON).unwrap_or_default(),
        died_at: number(message, DIED_AT),
    }
}

fn header(message: &OwnedMessage, name: &str) -> Option<String> {
    let mut headers = message.headers()?.iter();
    let value = headers.find(|it| it.key == name)?.value?;
    Some(String::from_utf8_lossy(value).into_owned())
}

fn number(message: &OwnedMessage, name: &str) -> i64 {
    let text = header(message, name);
    text.and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// The headers of `message` but those that tell of its way so far.
fn our_headers(message: &OwnedMessage) -> OwnedHeaders {
    let mut ours = OwnedHeaders::new();
    for header in message.headers().iter().flat_map(|it| it.iter()) {
        if !header.key.starts_with("x-") {
            ours = ours.insert(header);
        }
    }
    ours
}
