//! An event with its envelope: `CloudEvents` 1.0 in JSON.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>

use std::fmt;

use anyhow::Context as _;
use chassis::{Error, new_id, now_ms, rfc3339};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use telemetry::Origin;

/// Something that happened, and whoever hears of it needs to know nothing else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The version of the specification.
    pub specversion: String,
    /// Names the event; a consumer that has seen it does nothing.
    pub id: String,
    /// The service that tells it, such as `/orders`.
    pub source: String,
    /// What it is about, such as the id of an order.
    pub subject: String,
    /// RFC 3339, UTC: when it happened.
    pub time: String,
    /// The trace it belongs to (`CloudEvents` extension "Distributed Tracing"); the parent is the span that sent it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
    /// The rest of the trace context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tracestate: Option<String>,
    /// The request that led to it, an extension of ours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requestid: Option<String>,
    /// What kind of thing happened, such as `order.placed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What there is to know of it.
    pub data: Value,
}

/// The `type` and `data` of what is told.
#[derive(Deserialize)]
struct Fact {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

impl Event {
    /// `fact`, which is written as an object of `type` and `data`, as told by `service` just now about `subject`. It follows
    /// from what `origin` says.
    ///
    /// # Errors
    /// A fact that is written otherwise.
    pub fn new(
        service: &str,
        subject: &str,
        origin: Origin,
        fact: impl Serialize,
    ) -> Result<Self, Error> {
        let fact = serde_json::to_value(fact).and_then(serde_json::from_value);
        let Fact { kind, data } = fact.context("write a fact as type and data")?;
        Ok(Self {
            specversion: "1.0".to_owned(),
            id: new_id("e"),
            source: format!("/{service}"),
            subject: subject.to_owned(),
            time: rfc3339(now_ms()),
            traceparent: origin.traceparent,
            tracestate: origin.tracestate,
            requestid: origin.request_id,
            kind,
            data,
        })
    }

    /// What happened, for a type that is read from an object of `type` and `data`, such as an enum with
    /// `#[serde(tag = "type", content = "data")]`.
    ///
    /// # Errors
    /// An event of another type, or whose data is not what that type has.
    pub fn read<F: DeserializeOwned>(&self) -> Result<F, Error> {
        let fact = json!({ "type": self.kind, "data": self.data });
        let fact = serde_json::from_value(fact);
        Ok(fact.with_context(|| format!("read an event of type {}", self.kind))?)
    }
}

impl fmt::Debug for Event {
    /// Without its data, which may be what nobody should read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("subject", &self.subject)
            .field("time", &self.time)
            .field("traceparent", &self.traceparent)
            .field("tracestate", &self.tracestate)
            .field("requestid", &self.requestid)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data")]
    enum Told {
        #[serde(rename = "card.charged")]
        Charged { card: String },
        #[serde(rename = "card.declined")]
        Declined {},
    }

    #[test]
    fn an_event_reads_as_it_was_written_and_shows_no_data() {
        let card = "4242".to_owned();
        for fact in [Told::Charged { card }, Told::Declined {}] {
            let event = Event::new("bank", "c-1", Origin::default(), &fact).unwrap();
            let text = serde_json::to_string(&event).unwrap();
            let read: Event = serde_json::from_str(&text).unwrap();
            assert_eq!(read, event);
            assert_eq!(read.read::<Told>().unwrap(), fact);
            assert!(!format!("{event:?}").contains("4242"));
        }
    }

    #[test]
    fn the_envelope_is_that_of_the_specification() {
        let event = Event {
            specversion: "1.0".into(),
            id: "e-1".into(),
            source: "/bank".into(),
            subject: "c-1".into(),
            time: "2026-11-25T14:00:00Z".into(),
            traceparent: None,
            tracestate: None,
            requestid: Some("r-1".into()),
            kind: "card.declined".into(),
            data: json!({}),
        };
        let text = r#"{"specversion":"1.0","id":"e-1","source":"/bank","subject":"c-1","time":"2026-11-25T14:00:00Z","requestid":"r-1","type":"card.declined","data":{}}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
    }

    #[test]
    fn an_envelope_with_more_or_less_in_it_is_read() {
        let least = r#"{"specversion":"1.0","id":"e-1","source":"/bank","subject":"c-1","time":"2026-11-25T14:00:00Z","type":"card.declined","data":{}}"#;
        let more = least.replace("\"data\"", "\"dataschema\":\"/bank/2\",\"data\"");
        let [least, more] = [least, &more].map(|it| serde_json::from_str::<Event>(it).unwrap());
        assert_eq!(more, least);
        assert_eq!((least.traceparent, least.requestid), (None, None));
    }

    #[test]
    fn what_is_no_fact_is_not_told_and_another_fact_is_not_read() {
        let bad = Event::new("bank", "c-1", Origin::default(), json!({ "kind": "x" }));
        assert!(matches!(bad, Err(Error::Internal(_))));
        let other = json!({ "type": "card.lost", "data": {} });
        let other = Event::new("bank", "c-1", Origin::default(), other).unwrap();
        assert!(matches!(other.read::<Told>(), Err(Error::Internal(_))));
    }
}
