//! Asking Prometheus, by its HTTP API (<https://prometheus.io/docs/prometheus/latest/querying/api/>).

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::{Deserialize, de::DeserializeOwned};

/// The labels of a series, sorted by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// A Prometheus that answers.
#[derive(Clone)]
pub(crate) struct Prometheus {
    http: reqwest::Client,
    base: String,
}

/// One series of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
}

/// The envelope of every answer.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer<T> {
    Success {
        data: T,
    },
    Error {
        #[serde(rename = "errorType")]
        kind: String,
        error: String,
    },
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Found {
    Vector(Vec<Series>),
    Scalar((f64, String)),
}

#[derive(Deserialize)]
struct Series {
    metric: Labels,
    value: (f64, String),
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alerting>,
}

#[derive(Deserialize)]
struct Alerting {
    labels: Labels,
    state: String,
}

impl Prometheus {
    /// The one at `base`, such as `http://127.0.0.1:9090`.
    pub(super) fn new(http: reqwest::Client, base: String) -> Self {
        Self { http, base }
    }

    /// The series that `query` has now.
    ///
    /// # Errors
    /// No answer, or one that says what is wrong with the query.
    pub(crate) async fn query(&self, query: &str) -> anyhow::Result<Vec<Sample>> {
        let asked = self.get("query", &[("query", query)]).await;
        let found = asked.with_context(|| format!("query {query}"))?;
        let number = |text: &str| {
            text.parse()
                .with_context(|| format!("read the value {text}"))
        };
        match found {
            Found::Scalar((_, value)) => Ok(vec![Sample {
                labels: Labels::new(),
                value: number(&value)?,
            }]),
            Found::Vector(series) => series
                .into_iter()
                .map(|it| {
                    Ok(Sample {
                        labels: it.metric,
                        value: number(&it.value.1)?,
                    })
                })
                .collect(),
        }
    }

    /// The labels of every alert that fires, whether or not somebody is told.
    pub(crate) async fn firing(&self) -> anyhow::Result<Vec<Labels>> {
        let answer: Alerts = self.get("alerts", &[]).await.context("ask for alerts")?;
        let firing = answer.alerts.into_iter().filter(|it| it.state == "firing");
        Ok(firing.map(|it| it.labels).collect())
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        let url = format!("{}/api/v1/{path}", self.base);
        let answer = self.http.get(url).query(parameters).send().await?;
        match answer
            .json()
            .await
            .context("read the answer of Prometheus")?
        {
            Answer::Success { data } => Ok(data),
            Answer::Error { kind, error } => anyhow::bail!("{kind}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let read = |text| serde_json::from_str::<Answer<Found>>(text).unwrap();
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"service":"orders"},"value":[1.5,"NaN"]}]}}"#;
        let Answer::Success {
            data: Found::Vector(series),
        } = read(vector)
        else {
            panic!("a vector")
        };
        assert_eq!(series[0].metric["service"], "orders");
        let wrong = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        assert!(matches!(read(wrong), Answer::Error { .. }));
    }
}
