//! Does every panel have data? Asks every query of dashboards, as Grafana would, of a Prometheus that scrapes a shop under load.
//!
//! A query that is in error, finds nothing, or names a metric or a label that nobody records fails its panel. So does a panel
//! of latencies whose queries find no exemplar.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::SystemTime,
};

use telemetry::names;

use crate::{
    asked::{Asked, AskedQuery},
    expression,
    model::{Filler, Panel},
    prometheus::{Prometheus, Series},
};

/// Seconds that a reader may look at: the shortest and the longest range that is usual.
const RANGES: [f64; 2] = [300.0, 86_400.0];
/// Points that Grafana asks for in a panel of usual width.
const POINTS: f64 = 800.0;

/// Labels that alerts have, each some of them: which of them there are now depends on what is firing.
const LABELS_OF_ALERTS: [&str; 8] = [
    "alertname",
    "alertstate",
    "reason",
    "service",
    "severity",
    "slo",
    "team",
    "window",
];

/// What came of one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Uid of the dashboard.
    pub dashboard: String,
    /// Title of the panel, or what else it is.
    pub what: String,
    /// How many queries were asked.
    pub queries: usize,
    /// How many series they found, the most of all choices and ranges.
    pub series: usize,
    /// What is wrong, each once.
    pub problems: BTreeSet<String>,
    /// Set if it has no data and need not have any: what fills it.
    pub empty: Option<String>,
}

/// Which panels may be empty, by uid and title, and what fills them.
fn quiet() -> HashMap<(String, String), Filler> {
    let panels = crate::all().into_iter().flat_map(|dashboard| {
        let rows = dashboard.rows.into_iter().flat_map(|it| it.panels);
        rows.filter_map(move |it: Panel| {
            let quiet = it.quiet?;
            Some((
                (dashboard.uid.to_owned(), it.title.to_owned()),
                quiet.filled_by,
            ))
        })
    });
    panels.collect()
}

/// Discovery gives it to the replicas of a version that is tried, and of its baseline; nothing tries one here.
const TRACK: &str = "track";

/// Asks everything.
#[derive(Debug)]
pub struct Check<'a> {
    prometheus: &'a Prometheus,
    /// Seconds between two scrapes.
    scrape: f64,
    /// Whether faults have been put on the shop that fill the panels which need one.
    faults: bool,
    /// Seconds since 1970.
    now: f64,
    quiet: HashMap<(String, String), Filler>,
    /// The labels of each metric there is, without those that were not asked for.
    labels: HashMap<String, Vec<String>>,
    /// Labels that series have once something fails, or a version is tried, and so need not be there yet: an empty label is none.
    later: Vec<String>,
    /// The values of each variable.
    choices: BTreeMap<String, Vec<String>>,
}

impl<'a> Check<'a> {
    /// Asks `prometheus`, which scrapes every `scrape` seconds; with `faults`, of a shop with faults on it.
    pub fn new(prometheus: &'a Prometheus, scrape: f64, faults: bool) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            prometheus,
            scrape,
            faults,
            now: now.as_secs_f64(),
            quiet: quiet(),
            labels: HashMap::new(),
            later: vec![TRACK.to_owned()],
            choices: BTreeMap::new(),
        }
    }

    /// What comes of all of them.
    ///
    /// # Errors
    /// A Prometheus that cannot be asked at all.
    pub async fn run(mut self, asked: &[Asked]) -> anyhow::Result<Vec<Found>> {
        self.prometheus.targets().await?;
        // Where there are faults, some metric has it.
        let failed = names::ERROR_TYPE;
        if !self.faults || !self.prometheus.values(failed, None).await?.is_empty() {
            self.later.push(failed.to_owned());
        }
        let mut found = Vec::new();
        for it in asked {
            found.push(self.one(it).await?);
        }
        Ok(found)
    }

    async fn one(&mut self, it: &Asked) -> anyhow::Result<Found> {
        let mut found = Found {
            dashboard: it.dashboard.clone(),
            what: it.what.clone(),
            queries: it.queries.len(),
            series: 0,
            problems: BTreeSet::new(),
            empty: None,
        };
        let filler = self
            .quiet
            .get(&(it.dashboard.clone(), it.what.clone()))
            .copied();
        let empty = match filler {
            Some(Filler::Fault(what)) if !self.faults => Some(what),
            Some(Filler::Servers(what)) => Some(what),
            _ if it.optional => Some("something happens"),
            _ => None,
        };
        for query in &it.queries {
            if let Some((metric, label)) = listing(&query.expr) {
                let values = self.prometheus.values(label, Some(metric)).await?;
                self.choices.insert(it.what.clone(), values.clone());
                self.names(&query.expr, false, &mut found).await?;
                if values.is_empty() {
                    found
                        .problems
                        .insert(format!("lists nothing: {}", query.expr));
                }
                found.series = values.len();
                continue;
            }
            let (series, exemplars) = self.data(query, &mut found).await;
            found.series += series;
            match empty {
                Some(what) if series == 0 => found.empty = Some(what.to_owned()),
                None if series == 0 => {
                    found.problems.insert(format!("no data: {}", query.expr));
                }
                _ if query.exemplars && exemplars == 0 => {
                    found
                        .problems
                        .insert(format!("no exemplar: {}", query.expr));
                }
                _ => {}
            }
            self.names(&query.expr, series == 0 && empty.is_some(), &mut found)
                .await?;
        }
        Ok(found)
    }

    /// How many series a query finds, and how many exemplars: the most of all choices and ranges.
    async fn data(&self, query: &AskedQuery, found: &mut Found) -> (usize, usize) {
        let (mut most, mut exemplars) = (0, 0);
        for range in RANGES {
            let step = (range / POINTS).ceil().max(self.scrape);
            let rate_interval = (step + self.scrape).max(4.0 * self.scrape);
            let expr = query
                .expr
                .replace("$__rate_interval", &format!("{rate_interval}s"));
            for expr in self.chosen(&expr) {
                // Grafana asks for whole multiples of the step.
                let to = (self.now / step).floor() * step;
                let answer = if query.instant {
                    self.prometheus.instant(&expr, self.now).await
                } else {
                    self.prometheus.range(&expr, to - range, to, step).await
                };
                match answer {
                    Ok(series) => most = most.max(with_data(&series)),
                    Err(error) => {
                        found.problems.insert(format!("{error:#}: {expr}"));
                    }
                }
                if query.exemplars && exemplars == 0 {
                    let some = self
                        .prometheus
                        .exemplars(&expr, self.now - range, self.now)
                        .await;
                    exemplars = some.map_or(0, |it| it.len());
                }
            }
        }
        (most, exemplars)
    }

    /// The query for each choice there is.
    fn chosen(&self, expr: &str) -> Vec<String> {
        let mut all = vec![expr.to_owned()];
        for (name, values) in &self.choices {
            if !expr.contains(name.as_str()) {
                continue;
            }
            let with = |expr: &String| {
                values
                    .iter()
                    .map(|it| expr.replace(name.as_str(), it))
                    .collect()
            };
            all = all.iter().flat_map(|it| -> Vec<_> { with(it) }).collect();
        }
        all
    }

    /// Finds metrics and labels that nobody records. What has no series yet may be named if `empty`.
    async fn names(&mut self, expr: &str, empty: bool, found: &mut Found) -> anyhow::Result<()> {
        let read = match listing(expr) {
            Some((metric, label)) => {
                let mut read = expression::read(metric);
                read.groupings.push(label.to_owned());
                read
            }
            None => expression::read(expr),
        };
        let mut all = BTreeSet::from(["le".to_owned()]);
        for selector in &read.selectors {
            let metric = &selector.metric;
            if metric == "ALERTS" {
                all.extend(LABELS_OF_ALERTS.map(str::to_owned));
                continue;
            }
            if !self.labels.contains_key(metric) {
                let labels = self.prometheus.labels(metric).await?;
                self.labels.insert(metric.clone(), labels);
            }
            let known = &self.labels[metric];
            if known.is_empty() {
                if empty {
                    return Ok(());
                }
                found.problems.insert(format!("nobody records {metric}"));
                continue;
            }
            let missing = |it: &&String| !known.contains(it) && !self.later.contains(it);
            for label in selector.labels.iter().filter(missing) {
                found
                    .problems
                    .insert(format!("{metric} has no label {label}"));
            }
            all.extend(known.iter().chain(&self.later).cloned());
        }
        for label in read.groupings.iter().filter(|it| !all.contains(*it)) {
            if !empty {
                found
                    .problems
                    .insert(format!("no metric here has a label {label}: {expr}"));
            }
        }
        Ok(())
    }
}

/// The metric and the label of a variable's query.
fn listing(expr: &str) -> Option<(&str, &str)> {
    let inner = expr.strip_prefix("label_values(")?.strip_suffix(')')?;
    inner.rsplit_once(", ")
}

fn with_data(series: &[Series]) -> usize {
    series.iter().filter(|it| !it.points.is_empty()).count()
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match (&self.empty, self.problems.is_empty()) {
            (_, false) => "FAIL",
            (Some(_), true) => "empty",
            (None, true) => "ok",
        };
        let dashboard = self.dashboard.trim_start_matches("windtunnel-");
        write!(
            f,
            "{outcome:<6} {dashboard:<13} {:<52} {:>2} {:>4}",
            self.what, self.queries, self.series
        )?;
        if let Some(what) = &self.empty {
            write!(f, "  until {what}")?;
        }
        for problem in &self.problems {
            write!(f, "\n         {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_lists_the_values_of_a_label() {
        assert_eq!(
            listing("label_values(up{a=\"b, c\"}, d)"),
            Some(("up{a=\"b, c\"}", "d"))
        );
        assert_eq!(listing("up"), None);
    }

    #[test]
    fn a_series_of_nothing_but_nan_is_no_data() {
        let series = |points: &[(f64, f64)]| Series {
            labels: BTreeMap::new(),
            points: points.to_vec(),
        };
        assert_eq!(with_data(&[series(&[]), series(&[(1.0, 0.0)])]), 1);
    }
}
