//! Reads the Prometheus text format 0.0.4 and OpenMetrics, as far as our services write them.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::{collections::BTreeMap, fmt};

use reqwest::header::ACCEPT;

/// The labels of a series, sorted by name.
pub type Labels = BTreeMap<String, String>;

/// What a scrape is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Samples.
    Text,
    /// Samples, and exemplars of buckets.
    OpenMetrics,
}

impl Format {
    /// What `Accept` names it.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0",
        }
    }
}

/// What the process whose admin port is at `admin` says of itself now.
///
/// # Errors
/// No answer, or another one than 200.
pub(crate) async fn fetch(
    http: &reqwest::Client,
    admin: &impl fmt::Display,
    format: Format,
) -> reqwest::Result<String> {
    let asked = http.get(format!("http://{admin}/metrics"));
    let answer = asked.header(ACCEPT, format.media_type()).send().await?;
    answer.error_for_status()?.text().await
}

/// One observation of a bucket, and the span it points to.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Of the bucket, `_bucket` included.
    pub name: String,
    /// Of the bucket, `le` included.
    pub series: Labels,
    /// `trace_id`.
    pub trace_id: String,
    /// `span_id`.
    pub span_id: String,
    /// What was observed.
    pub value: f64,
}

/// Every sample of one scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition {
    samples: BTreeMap<(String, Labels), f64>,
    exemplars: Vec<Exemplar>,
}

/// A line that is not of the format.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sample in Prometheus text format: {0:?}")]
pub struct ParseError(String);

impl Exposition {
    /// Reads a whole answer of `/metrics`.
    ///
    /// # Errors
    /// A line that is neither comment nor sample.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut it = Self::default();
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || ParseError(line.chars().take(200).collect());
            // No label of ours has these three characters in its value.
            let (line, exemplar) = line.split_once(" # ").unwrap_or((line, ""));
            let (name, labels, value) = sample(line).ok_or_else(bad)?;
            if !exemplar.is_empty() {
                let exemplar = self::exemplar(&name, &labels, exemplar);
                it.exemplars.push(exemplar.ok_or_else(bad)?);
            }
            it.samples.insert((name, labels), value);
        }
        Ok(it)
    }

    /// The exemplars of all buckets.
    pub fn exemplars(&self) -> &[Exemplar] {
        &self.exemplars
    }

    /// Every series, with its value.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &Labels, f64)> {
        let samples = self.samples.iter();
        samples.map(|((name, labels), value)| (name.as_str(), labels, *value))
    }

    /// The series of one name.
    pub fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Labels, f64)> + 'a {
        let from = (name.to_owned(), Labels::new());
        self.samples
            .range(from..)
            .take_while(move |((it, _), _)| it == name)
            .map(|((_, labels), value)| (labels, *value))
    }

    /// The value of one series; 0 if it is not there, because a counter that was never touched is not.
    pub fn value(&self, name: &str, labels: &Labels) -> f64 {
        let key = (name.to_owned(), labels.clone());
        self.samples.get(&key).copied().unwrap_or(0.0)
    }

    /// The sum of all series of one name.
    pub fn sum(&self, name: &str) -> f64 {
        self.series(name).map(|it| it.1).sum()
    }
}

fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    // A timestamp may follow the value.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), labels, value))
}

/// Reads `{trace_id="ab",span_id="cd"} 0.5` and what may follow.
fn exemplar(name: &str, series: &Labels, text: &str) -> Option<Exemplar> {
    let (mut labels, rest) = labels(text.strip_prefix('{')?)?;
    Some(Exemplar {
        name: name.to_owned(),
        series: series.clone(),
        trace_id: labels.remove("trace_id")?,
        span_id: labels.remove("span_id")?,
        value: rest.split_whitespace().next()?.parse().ok()?,
    })
}

/// Reads `a="1",b="2"}` and returns what follows.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
        rest = &after[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation_is_understood() {
        let text = r#"
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
"#;
        let it = Exposition::parse(text).unwrap();
        let count: f64 = it.sum("http_requests_total");
        assert!((count - 1030.0).abs() < f64::EPSILON);
        let (labels, _) = it.series("msdos_file_access_time_seconds").next().unwrap();
        assert_eq!(labels["path"], r"C:\DIR\FILE.TXT");
        assert_eq!(labels["error"], "Cannot find file:\n\"FILE.TXT\"");
        assert!(it.sum("something_weird").is_infinite());
        assert_eq!(it.series("http_requests").count(), 0);
    }

    #[test]
    fn an_exemplar_says_which_span_a_bucket_has_counted() {
        let text = r#"wait_seconds_bucket{route="/a",le="0.5"} 3 # {span_id="cd",trace_id="ab"} 0.25 1795464719.5
wait_seconds_bucket{route="/a",le="+Inf"} 3
# EOF
"#;
        let it = Exposition::parse(text).unwrap();
        let [exemplar] = it.exemplars() else {
            panic!("{:?}", it.exemplars())
        };
        assert_eq!(
            (exemplar.trace_id.as_str(), exemplar.span_id.as_str()),
            ("ab", "cd")
        );
        assert!((exemplar.value - 0.25).abs() < f64::EPSILON);
        assert_eq!(exemplar.series["le"], "0.5");
        assert_eq!(it.samples().count(), 2);
        assert!((it.sum("wait_seconds_bucket") - 6.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_line_of_something_else_is_an_error() {
        for text in [
            "<html>",
            "name{label=\"open 1",
            "name",
            "name value",
            "a 1 # {} 2",
        ] {
            assert_eq!(Exposition::parse(text), Err(ParseError(text.into())));
        }
    }
}
