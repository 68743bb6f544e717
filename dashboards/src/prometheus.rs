//! Asks a Prometheus, over its HTTP API.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use reqwest::Client;
use serde_json::Value;

/// Where one is.
#[derive(Debug, Clone)]
pub struct Prometheus {
    http: Client,
    url: String,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970, and values. Where there is no value it has no point.
    pub points: Vec<(f64, f64)>,
}

/// What is scraped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The service.
    pub service: String,
    /// Where its metrics are.
    pub url: String,
}

impl Prometheus {
    /// The one at `url`, such as `http://127.0.0.1:9090`.
    pub fn at(url: &str) -> Self {
        Self {
            http: Client::new(),
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/{path}", self.url);
        let request = self.http.get(&url).query(parameters);
        let response = request.send().await.with_context(|| format!("get {url}"))?;
        let mut answer: Value = response
            .json()
            .await
            .with_context(|| format!("read {url}"))?;
        if answer["status"] != "success" {
            bail!("{}", answer["error"].as_str().unwrap_or("no success"));
        }
        Ok(answer["data"].take())
    }

    /// The values of a query from one time to another, both in seconds since 1970.
    ///
    /// # Errors
    /// What Prometheus says against the query.
    pub async fn range(
        &self,
        query: &str,
        from: f64,
        to: f64,
        step: f64,
    ) -> anyhow::Result<Vec<Series>> {
        let [from, to, step] = [from, to, step].map(|it| it.to_string());
        let parameters = [
            ("query", query),
            ("start", &from),
            ("end", &to),
            ("step", &step),
        ];
        let answer = self.ask("query_range", &parameters).await?;
        Ok(series(&answer["result"], "values"))
    }

    /// The values of a query at a time.
    ///
    /// # Errors
    /// What Prometheus says against the query.
    pub async fn instant(&self, query: &str, at: f64) -> anyhow::Result<Vec<Series>> {
        let at = at.to_string();
        let answer = self
            .ask("query", &[("query", query), ("time", &at)])
            .await?;
        Ok(series(&answer["result"], "value"))
    }

    /// The values of a label, of one metric or of all there are.
    ///
    /// # Errors
    /// A Prometheus that cannot be asked.
    pub async fn values(&self, label: &str, metric: Option<&str>) -> anyhow::Result<Vec<String>> {
        let of: Vec<_> = metric.map(|it| ("match[]", it)).into_iter().collect();
        let answer = self.ask(&format!("label/{label}/values"), &of).await?;
        Ok(texts(&answer))
    }

    /// The names of the labels of a metric; none where it has no series.
    ///
    /// # Errors
    /// A Prometheus that cannot be asked.
    pub async fn labels(&self, metric: &str) -> anyhow::Result<Vec<String>> {
        Ok(texts(&self.ask("labels", &[("match[]", metric)]).await?))
    }

    /// The exemplars of a query that lead to a trace: seconds since 1970, and values.
    ///
    /// # Errors
    /// A Prometheus that cannot be asked.
    pub async fn exemplars(
        &self,
        query: &str,
        from: f64,
        to: f64,
    ) -> anyhow::Result<Vec<(f64, f64)>> {
        let [from, to] = [from, to].map(|it| it.to_string());
        let parameters = [
            ("query", query),
            ("start", from.as_str()),
            ("end", to.as_str()),
        ];
        let answer = self.ask("query_exemplars", &parameters).await?;
        let series = answer.as_array().into_iter().flatten();
        let all = series.flat_map(|it| it["exemplars"].as_array().into_iter().flatten());
        let traced = all.filter(|it| it["labels"]["trace_id"].is_string());
        let found = traced.filter_map(|it| {
            Some((
                it["timestamp"].as_f64()?,
                it["value"].as_str()?.parse().ok()?,
            ))
        });
        Ok(found.collect())
    }

    /// What is scraped with success.
    ///
    /// # Errors
    /// A Prometheus that cannot be asked.
    pub async fn targets(&self) -> anyhow::Result<Vec<Target>> {
        let answer = self.ask("targets", &[("state", "active")]).await?;
        let all = answer["activeTargets"].as_array().into_iter().flatten();
        let up = all.filter(|it| it["health"] == "up");
        let mut targets: Vec<_> = up
            .filter_map(|it| {
                Some(Target {
                    service: it["labels"]["service"].as_str()?.to_owned(),
                    url: it["scrapeUrl"].as_str()?.to_owned(),
                })
            })
            .collect();
        targets.sort();
        Ok(targets)
    }

    /// What a target answers to a scrape, in the format that Prometheus asks for.
    ///
    /// # Errors
    /// A target that cannot be asked.
    pub async fn scrape(&self, target: &Target) -> anyhow::Result<String> {
        let accept = "application/openmetrics-text;version=1.0.0";
        let request = self.http.get(&target.url).header("accept", accept);
        let response = request
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        let response = response.with_context(|| format!("get {}", target.url))?;
        Ok(response.text().await?)
    }
}

fn texts(it: &Value) -> Vec<String> {
    let all = it.as_array().into_iter().flatten();
    all.filter_map(|it| Some(it.as_str()?.to_owned())).collect()
}

fn series(it: &Value, field: &str) -> Vec<Series> {
    let all = it.as_array().into_iter().flatten();
    all.map(|it| {
        let labels = it["metric"].as_object().into_iter().flatten();
        let labels =
            labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let values = match field {
            "value" => std::slice::from_ref(&it[field]),
            _ => it[field].as_array().map_or(&[][..], Vec::as_slice),
        };
        // A share of nothing is `NaN`, and no value.
        let points = values
            .iter()
            .filter_map(point)
            .filter(|it| it.1.is_finite());
        Series {
            labels: labels.collect(),
            points: points.collect(),
        }
    })
    .collect()
}

fn point(it: &Value) -> Option<(f64, f64)> {
    Some((it[0].as_f64()?, it[1].as_str()?.parse().ok()?))
}
