//! Traces as Jaeger has them.
//!
//! <https://www.jaegertracing.io/docs/2.20/architecture/apis/#internal-http-json>

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::{
    otlp::{Kind, Resource, Span},
    testimony::Evidence,
};
use crate::{deployment::SERVICES, http};

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Traces in one answer, ...
const MOST: usize = 1_500;
/// ... which is about so long a stretch of time.
const STRETCH: Duration = Duration::from_secs(5);

/// A Jaeger that has the traces of a shop, or some of them.
#[derive(Debug, Clone)]
pub(crate) struct Jaeger {
    http: reqwest::Client,
    traces: Url,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Trace>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    #[serde(rename = "traceID")]
    id: String,
    spans: Vec<Told>,
    processes: BTreeMap<String, Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// A span. Times are microseconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    operation_name: String,
    #[serde(default)]
    references: Vec<Reference>,
    start_time: u64,
    duration: u64,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(rename = "processID")]
    process_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    value: Value,
}

impl Jaeger {
    /// The one whose page is at `page`.
    ///
    /// # Errors
    /// An address that is none of HTTP.
    pub(crate) fn at(page: &Url) -> anyhow::Result<Self> {
        let plain = matches!(page.scheme(), "http" | "https");
        anyhow::ensure!(plain, "{page} is no Jaeger: expected http://HOST:PORT");
        Ok(Self {
            http: http::client(TIMEOUT)?,
            traces: page.join("/api/traces")?,
        })
    }

    /// The whole traces of all requests to the gateway for `operation`, such as `POST /orders`, whose ids begin with `prefix`.
    ///
    /// # Errors
    /// A Jaeger that does not answer, or that has more traces than can be asked for.
    pub(crate) async fn traces(
        &self,
        operation: &str,
        prefix: &str,
        (from, to): (SystemTime, SystemTime),
    ) -> anyhow::Result<Evidence> {
        // One at the edge of two stretches comes twice.
        let mut traces = BTreeMap::new();
        let mut start = from;
        while start < to {
            let end = (start + STRETCH).min(to);
            let found = self.stretch(operation, start, end).await?;
            traces.extend(found.into_iter().map(|it| (it.id.clone(), it)));
            start = end;
        }
        let mut evidence = Evidence::new();
        for trace in traces.into_values() {
            keep(&mut evidence, trace, prefix);
        }
        Ok(evidence)
    }

    async fn stretch(
        &self,
        operation: &str,
        from: SystemTime,
        to: SystemTime,
    ) -> anyhow::Result<Vec<Trace>> {
        let mut url = self.traces.clone();
        let micros = |it: SystemTime| {
            let since = it.duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap_or_default().as_micros().to_string()
        };
        url.query_pairs_mut().extend_pairs([
            ("service", "gateway"),
            ("operation", operation),
            ("start", micros(from).as_str()),
            ("end", micros(to).as_str()),
            ("limit", MOST.to_string().as_str()),
        ]);
        let ask = async {
            let answer = self.http.get(url.clone()).send().await?;
            answer.error_for_status()?.json::<Answer>().await
        };
        let traces = ask.await.with_context(|| format!("ask {url}"))?.data;
        let few = traces.len() < MOST;
        anyhow::ensure!(
            few,
            "{url}: more traces of {operation} in {STRETCH:?} than Jaeger is asked for"
        );
        Ok(traces)
    }
}

/// Keeps the spans of a trace that belongs to one of our requests.
fn keep(evidence: &mut Evidence, trace: Trace, prefix: &str) {
    let spans: Vec<_> = trace
        .spans
        .into_iter()
        .map(|it| span(it, &trace.processes))
        .collect();
    let door = |it: &&Span| it.service == "gateway" && it.kind == Kind::Server;
    let ours = spans
        .iter()
        .find(door)
        .is_some_and(|it| it.request_id().starts_with(prefix));
    if !ours {
        return;
    }
    for span in spans {
        if let Some(service) = SERVICES.into_iter().find(|it| it.name() == span.service) {
            evidence.entry(service).or_default().spans.push(span);
        }
    }
}

fn span(it: Told, processes: &BTreeMap<String, Process>) -> Span {
    let attributes: BTreeMap<_, _> = it.tags.iter().map(text).collect();
    let process = processes.get(&it.process_id);
    let parent = it.references.iter().find(|it| it.ref_type == "CHILD_OF");
    let said = |name: &str| attributes.get(name).map_or("", String::as_str);
    Span {
        kind: match said("span.kind") {
            "server" => Kind::Server,
            "client" => Kind::Client,
            "producer" => Kind::Producer,
            "consumer" => Kind::Consumer,
            _ => Kind::Other,
        },
        failed: said("error") == "true",
        trace_id: it.trace_id,
        id: it.span_id,
        parent_id: parent.map_or_else(String::new, |it| it.span_id.clone()),
        service: process.map_or_else(String::new, |it| it.service_name.clone()),
        resource: Arc::new(Resource {
            schema_url: String::new(),
            attributes: process
                .map(|it| it.tags.iter().map(text).collect())
                .unwrap_or_default(),
        }),
        name: it.operation_name,
        start_ns: it.start_time * 1_000,
        end_ns: (it.start_time + it.duration) * 1_000,
        attributes,
    }
}

/// An attribute. Jaeger keeps one with several values, such as a header, as the JSON of a list.
fn text(tag: &Tag) -> (String, String) {
    let value = match &tag.value {
        Value::String(it) => match serde_json::from_str::<Vec<String>>(it) {
            Ok(several) => several.join(","),
            Err(_) => it.clone(),
        },
        other => other.to_string(),
    };
    (tag.key.clone(), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Service;

    /// An order's trace, of which the first two spans are told.
    fn trace(request_id: &str) -> Trace {
        let text = r#"{"traceID": "t", "spans": [
            {"traceID": "t", "spanID": "a", "operationName": "POST /orders", "references": [], "startTime": 5, "duration": 7,
             "tags": [{"key": "span.kind", "type": "string", "value": "server"},
                      {"key": "http.response.status_code", "type": "int64", "value": 202},
                      {"key": "http.request.header.x-request-id", "type": "string", "value": "[\"REQUEST\"]"}],
             "processID": "p1"},
            {"traceID": "t", "spanID": "b", "operationName": "POST", "startTime": 6, "duration": 5, "processID": "p2",
             "references": [{"refType": "CHILD_OF", "traceID": "t", "spanID": "a"}],
             "tags": [{"key": "span.kind", "type": "string", "value": "client"}, {"key": "error", "type": "bool", "value": true}]}],
           "processes": {"p1": {"serviceName": "gateway", "tags": [{"key": "service.version", "value": "1"}]},
                         "p2": {"serviceName": "orders"}}}"#;
        serde_json::from_str(&text.replace("REQUEST", request_id)).unwrap()
    }

    #[test]
    fn a_trace_of_ours_is_kept_as_its_services_exported_it() {
        let mut evidence = Evidence::new();
        keep(&mut evidence, trace("healthy.17-1-0"), "healthy.17");
        keep(&mut evidence, trace("trickle-1"), "healthy.17");
        let [door] = &evidence[&Service::Gateway].spans[..] else {
            panic!("{evidence:?}")
        };
        assert_eq!(door.request_id(), "healthy.17-1-0");
        assert_eq!((door.kind, door.failed), (Kind::Server, false));
        assert_eq!(door.attribute("http.response.status_code"), "202");
        assert_eq!((door.start_ns, door.end_ns), (5_000, 12_000));
        assert_eq!(door.resource.attribute("service.version"), "1");
        let [call] = &evidence[&Service::Orders].spans[..] else {
            panic!("{evidence:?}")
        };
        assert_eq!((call.kind, call.failed), (Kind::Client, true));
        assert_eq!(
            (call.trace_id.as_str(), call.parent_id.as_str()),
            ("t", "a")
        );
    }
}
