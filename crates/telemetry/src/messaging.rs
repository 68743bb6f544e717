//! Events: a sample and at most one span for each that is sent; a sample, a line and at most one span for each delivery that
//! is processed.
//!
//! <https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>

use std::{sync::LazyLock, time::Duration};

use http::HeaderValue;
use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanKind},
};

use crate::{
    attributes,
    clock::Began,
    context::{
        CURRENT, Incoming, RequestContext, flags, fresh_request_id, is_request_id, new_span_id,
        new_trace_id, parse, traceparent,
    },
    fields,
    logs::{line, write_number, write_plain, write_text},
    loss::{self, Signal},
    metrics::{Labels, Latencies, latencies},
    names, sampler,
    spans::{self, Finished},
};

static SEND_DURATION: LazyLock<Latencies<4>> = LazyLock::new(|| {
    let help = "Duration of publishing one event to the broker";
    latencies(names::MESSAGING_CLIENT_OPERATION_DURATION, help)
});

static PROCESS_DURATION: LazyLock<Latencies<5>> = LazyLock::new(|| {
    let help = "Duration of processing one delivery of an event";
    latencies(names::MESSAGING_PROCESS_DURATION, help)
});

/// What led to an event, as its headers tell it: a W3C trace context and the id of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The span that made or sent it.
    pub traceparent: Option<String>,
    /// The rest of the trace context.
    pub tracestate: Option<String>,
    /// The request it was made for.
    pub request_id: Option<String>,
}

impl Origin {
    /// The request that the current task works for; nothing, if there is none.
    pub fn current() -> Self {
        let origin = |it: &RequestContext| Self {
            request_id: Some(it.request_id().to_owned()),
            ..Self::of(&it.span, it.tracestate.as_ref())
        };
        CURRENT.try_with(origin).unwrap_or_default()
    }

    fn of(span: &SpanContext, tracestate: Option<&HeaderValue>) -> Self {
        let state = tracestate.and_then(|it| it.to_str().ok());
        Self {
            traceparent: Some(traceparent(span)),
            tracestate: state.map(str::to_owned),
            request_id: None,
        }
    }

    fn parent(&self) -> Option<Incoming> {
        let traceparent = self.traceparent.as_deref()?;
        let tracestate = self.tracestate.iter().map(String::as_bytes);
        parse(traceparent.as_bytes(), tracestate)
    }

    fn request_id(&self) -> Option<HeaderValue> {
        let id = self.request_id.as_deref()?;
        let valid = is_request_id(id.as_bytes());
        valid.then(|| HeaderValue::try_from(id).expect("letters, digits and three marks"))
    }
}

/// A span that follows what `origin` says, or begins a trace; its parent, and what vendors added to the trace.
fn follow(origin: &Origin) -> (SpanContext, Option<SpanContext>, Option<HeaderValue>) {
    let incoming = origin.parent();
    let (parent, tracestate) = incoming.map(|it| (it.span, it.tracestate)).unzip();
    let trace = parent
        .as_ref()
        .map_or_else(new_trace_id, SpanContext::trace_id);
    let sampled = sampler::sampler().keeps(trace, parent.as_ref());
    let flags = flags(parent.as_ref(), sampled);
    let state = parent.as_ref().map(|it| it.trace_state().clone());
    let state = state.unwrap_or_default();
    (
        SpanContext::new(trace, new_span_id(), flags, false, state),
        parent,
        tracestate.flatten(),
    )
}

/// One event on its way to the broker. Dropped without an end, it counts as failed.
#[derive(Debug)]
pub struct Sending {
    system: &'static str,
    kind: String,
    id: String,
    span: SpanContext,
    parent: Option<SpanContext>,
    tracestate: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    began: Began,
    over: bool,
}

impl Sending {
    /// Starts handing event `id` of type `kind` to a broker of kind `system`; `origin` is what the event says itself.
    pub fn start(system: &'static str, kind: &str, id: &str, origin: &Origin) -> Self {
        let (span, parent, tracestate) = follow(origin);
        Self {
            system,
            kind: kind.to_owned(),
            id: id.to_owned(),
            span,
            parent,
            tracestate,
            request_id: origin.request_id(),
            began: Began::now(),
            over: false,
        }
    }

    /// What the event says from now on, so that its consumers' spans follow this one.
    pub fn origin(&self) -> Origin {
        let id = self.request_id.as_ref().and_then(|it| it.to_str().ok());
        Origin {
            request_id: id.map(str::to_owned),
            ..Origin::of(&self.span, self.tracestate.as_ref())
        }
    }

    /// The broker has it.
    pub fn finish(mut self) {
        self.end("");
    }

    fn end(&mut self, error_type: &'static str) {
        self.over = true;
        let duration = self.began.elapsed();
        let labels = Labels([
            (names::MESSAGING_SYSTEM, self.system.into()),
            (names::MESSAGING_OPERATION_NAME, "send".into()),
            (names::MESSAGING_DESTINATION_NAME, self.kind.clone().into()),
            (names::ERROR_TYPE, error_type.into()),
        ]);
        SEND_DURATION
            .get_or_create_owned(&labels)
            .observe(duration.as_secs_f64(), &self.span);
        if !spans::wanted(&self.span) {
            return;
        }
        let mut attributes = attributes(self.system, "send", &self.kind, &self.id);
        if let Some(id) = self.request_id.as_ref().and_then(|it| it.to_str().ok()) {
            attributes.push(spans::request_id(id));
        }
        if !error_type.is_empty() {
            attributes.push(KeyValue::new(attributes::ERROR_TYPE, error_type));
        }
        spans::export(Finished {
            span: self.span.clone(),
            parent: self.parent.take(),
            kind: SpanKind::Producer,
            name: format!("send {}", self.kind).into(),
            start: self.began.at,
            end: self.began.at + duration,
            attributes,
            failed: !error_type.is_empty(),
        });
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.over {
            self.end("_OTHER");
        }
    }
}

fn attributes(
    system: &'static str,
    operation: &'static str,
    kind: &str,
    id: &str,
) -> Vec<KeyValue> {
    vec![
        KeyValue::new(attributes::MESSAGING_SYSTEM, system),
        KeyValue::new(attributes::MESSAGING_OPERATION_NAME, operation),
        KeyValue::new(attributes::MESSAGING_OPERATION_TYPE, operation),
        KeyValue::new(attributes::MESSAGING_DESTINATION_NAME, kind.to_owned()),
        KeyValue::new(attributes::MESSAGING_MESSAGE_ID, id.to_owned()),
    ]
}

/// A delivery that is about to be processed.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Kind of broker.
    pub system: &'static str,
    /// The queue it came from.
    pub queue: &'static str,
    /// Type of the event.
    pub kind: String,
    /// The event's id.
    pub id: String,
    /// What the event says of itself.
    pub origin: Origin,
}

/// Runs `work` for one delivery as [`observe`](crate::observe) runs a handler for a request. `work` says what went wrong in
/// one word, such as `timeout`.
pub async fn process<T, E>(
    delivered: Delivered,
    work: impl Future<Output = Result<T, E>>,
    error_type: impl FnOnce(&E) -> &'static str,
) -> Result<T, E> {
    let (span, parent, tracestate) = follow(&delivered.origin);
    let request_id = delivered
        .origin
        .request_id()
        .unwrap_or_else(|| fresh_request_id(span.span_id()));
    let mut processing = Processing {
        delivered,
        context: RequestContext {
            span,
            tracestate,
            request_id,
        },
        parent,
        began: Began::now(),
        over: false,
    };
    let context = processing.context.clone();
    let result = CURRENT.scope(context, work).await;
    processing.end(result.as_ref().err().map_or("", error_type));
    result
}

struct Processing {
    delivered: Delivered,
    context: RequestContext,
    parent: Option<SpanContext>,
    began: Began,
    over: bool,
}

impl Processing {
    fn end(&mut self, error_type: &'static str) {
        self.over = true;
        let duration = self.began.elapsed();
        let (it, span) = (&self.delivered, &self.context.span);
        let labels = Labels([
            (names::MESSAGING_SYSTEM, it.system.into()),
            (names::MESSAGING_OPERATION_NAME, "process".into()),
            (names::MESSAGING_DESTINATION_NAME, it.kind.clone().into()),
            (names::MESSAGING_CONSUMER_GROUP_NAME, it.queue.into()),
            (names::ERROR_TYPE, error_type.into()),
        ]);
        PROCESS_DURATION
            .get_or_create_owned(&labels)
            .observe(duration.as_secs_f64(), span);
        self.write_line(duration, error_type);
        if !spans::wanted(span) {
            return;
        }
        let mut attributes = attributes(it.system, "process", &it.kind, &it.id);
        attributes.push(KeyValue::new(
            attributes::MESSAGING_CONSUMER_GROUP_NAME,
            it.queue,
        ));
        attributes.push(spans::request_id(self.context.request_id()));
        if !error_type.is_empty() {
            attributes.push(KeyValue::new(attributes::ERROR_TYPE, error_type));
        }
        spans::export(Finished {
            span: span.clone(),
            parent: self.parent.take(),
            kind: SpanKind::Consumer,
            name: format!("process {}", it.kind).into(),
            start: self.began.at,
            end: self.began.at + duration,
            attributes,
            failed: !error_type.is_empty(),
        });
    }

    fn write_line(&self, duration: Duration, error_type: &'static str) {
        if loss::strikes(Signal::Logs) {
            return;
        }
        let it = &self.delivered;
        let failed = !error_type.is_empty();
        let level = if failed { "warn" } else { "info" };
        line(
            self.began.at + duration,
            level,
            Some(&self.context),
            |line| {
                line.extend_from_slice(
                    b",\"message\":\"event processed\",\"event.dataset\":\"process\"",
                );
                write_text(line, fields::MESSAGING_DESTINATION_NAME, &it.kind);
                write_text(line, fields::MESSAGING_MESSAGE_ID, &it.id);
                write_plain(line, fields::MESSAGING_CONSUMER_GROUP_NAME, it.queue);
                let outcome = if failed { "failure" } else { "success" };
                write_plain(line, fields::EVENT_OUTCOME, outcome);
                if failed {
                    write_plain(line, fields::ERROR_TYPE, error_type);
                }
                write_number(line, fields::EVENT_DURATION, duration.as_nanos());
            },
        );
    }
}

impl Drop for Processing {
    fn drop(&mut self) {
        if !self.over {
            self.end(if std::thread::panicking() {
                "panic"
            } else {
                "cancelled"
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_processes_an_event_works_for_the_request_that_led_to_it() {
        let origin = Origin {
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            tracestate: Some("vendor=1".into()),
            request_id: Some("mine-1".into()),
        };
        let sending = Sending::start("test", "order.placed", "e-1", &origin);
        let sent = sending.origin();
        sending.finish();
        assert_ne!(sent.traceparent, origin.traceparent, "a span of its own");
        assert_eq!(sent.tracestate, origin.tracestate);
        let delivered = Delivered {
            system: "test",
            queue: "inventory",
            kind: "order.placed".into(),
            id: "e-1".into(),
            origin: sent,
        };
        let seen = process(delivered, async { Ok::<_, ()>(Origin::current()) }, |()| "");
        let seen = seen.await.unwrap();
        assert_eq!(seen.request_id.as_deref(), Some("mine-1"));
        assert!(seen.traceparent.unwrap()[3..].starts_with("0af7651916cd43dd8448eb211c80319c"));
    }

    #[tokio::test]
    async fn an_event_that_says_nothing_begins_a_trace() {
        let broken = Origin {
            traceparent: Some("nonsense".into()),
            request_id: Some("a\"b".into()),
            ..Origin::default()
        };
        for origin in [Origin::default(), broken] {
            let sent = Sending::start("test", "order.placed", "e-1", &origin).origin();
            assert!(sent.traceparent.is_some() && sent.request_id.is_none());
        }
    }
}
