//! Access lines as Elasticsearch has them: documents, found by the ids of requests.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use telemetry::fields;

use crate::http;

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Documents in one answer; 10,000 is the most that an index gives.
const PAGE: usize = 5_000;
/// How long Elasticsearch remembers where a search was, from one page to the next.
const SCROLL: &str = "1m";

/// An access line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// Who wrote it.
    pub(crate) service: String,
    pub(crate) request_id: String,
    /// The server span of the same request.
    pub(crate) span_id: String,
    /// HTTP status.
    pub(crate) status: String,
}

/// A data stream or an index of Elasticsearch with the lines of a shop.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    http: reqwest::Client,
    /// Without a slash at the end.
    stream: String,
    scroll: Url,
}

/// <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/paginate-search-results.html#scroll-search-results>
#[derive(Deserialize)]
struct Page {
    #[serde(rename = "_scroll_id")]
    scroll_id: String,
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(default)]
    fields: BTreeMap<String, Vec<Value>>,
}

impl Documents {
    /// Those at `http://HOST:PORT/STREAM`.
    ///
    /// # Errors
    /// An address without the name of a stream.
    pub(crate) fn at(stream: &Url) -> anyhow::Result<Self> {
        let named = matches!(stream.scheme(), "http" | "https") && stream.path() != "/";
        anyhow::ensure!(
            named,
            "{stream} is no data stream: expected http://HOST:PORT/STREAM"
        );
        Ok(Self {
            http: http::client(TIMEOUT)?,
            stream: stream.as_str().trim_end_matches('/').to_owned(),
            scroll: stream.join("/_search/scroll")?,
        })
    }

    /// The access lines of all requests whose ids begin with `prefix`.
    ///
    /// # Errors
    /// An Elasticsearch that does not answer, or not with documents.
    pub(crate) async fn access(&self, prefix: &str) -> anyhow::Result<Vec<Document>> {
        let search = json!({
            "size": PAGE, "sort": ["_doc"], "_source": false,
            "fields": [fields::SERVICE_NAME, fields::HTTP_REQUEST_ID, fields::SPAN_ID, fields::HTTP_RESPONSE_STATUS_CODE],
            "query": {"bool": {"filter": [
                {"term": {(fields::EVENT_DATASET): "access"}},
                {"prefix": {(fields::HTTP_REQUEST_ID): prefix}},
            ]}},
        });
        let first = format!("{}/_search?scroll={SCROLL}", self.stream);
        let mut page: Page = self.ask(Method::POST, &first, &search).await?;
        let mut documents = Vec::new();
        while !page.hits.hits.is_empty() {
            documents.extend(page.hits.hits.iter().map(document));
            let next = json!({"scroll": SCROLL, "scroll_id": page.scroll_id});
            page = self.ask(Method::POST, self.scroll.as_str(), &next).await?;
        }
        let done = json!({"scroll_id": page.scroll_id});
        let _: Value = self
            .ask(Method::DELETE, self.scroll.as_str(), &done)
            .await?;
        Ok(documents)
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        url: &str,
        body: &Value,
    ) -> anyhow::Result<T> {
        let ask = async {
            let answer = self.http.request(method, url).json(body).send().await?;
            answer.error_for_status()?.json().await
        };
        ask.await.with_context(|| format!("ask {url}"))
    }
}

/// What was asked of a hit; a field that is not there is empty.
fn document(hit: &Hit) -> Document {
    let text = |name: &str| match hit.fields.get(name).and_then(|it| it.first()) {
        Some(Value::String(it)) => it.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    Document {
        service: text(fields::SERVICE_NAME),
        request_id: text(fields::HTTP_REQUEST_ID),
        span_id: text(fields::SPAN_ID),
        status: text(fields::HTTP_RESPONSE_STATUS_CODE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_read_by_its_fields() {
        let page = r#"{"_scroll_id": "a", "hits": {"total": {"value": 2}, "hits": [
            {"_id": "1", "fields": {"service.name": ["orders"], "http.request.id": ["a-1-0"], "span.id": ["s"],
                "http.response.status_code": [202]}},
            {"_id": "2"}]}}"#;
        let page: Page = serde_json::from_str(page).unwrap();
        let documents: Vec<_> = page.hits.hits.iter().map(document).collect();
        let expected = Document {
            service: "orders".into(),
            request_id: "a-1-0".into(),
            span_id: "s".into(),
            status: "202".into(),
        };
        assert_eq!(documents, [expected, Document::default()]);
    }

    #[test]
    fn an_address_names_a_stream() {
        let at = |it: &str| Documents::at(&Url::parse(it).unwrap());
        let documents = at("http://elasticsearch:9200/logs/").unwrap();
        assert_eq!(documents.stream, "http://elasticsearch:9200/logs");
        let scroll = documents.scroll.as_str();
        assert_eq!(scroll, "http://elasticsearch:9200/_search/scroll");
        assert!(at("http://elasticsearch:9200").is_err());
        assert!(at("ftp://elasticsearch/logs").is_err());
    }
}
