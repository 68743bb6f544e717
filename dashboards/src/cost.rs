//! What a scrape costs: series and bytes of each service, and the series of each route.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use telemetry::names;

use crate::prometheus::Prometheus;

/// The most series that one replica has.
pub const MOST_SERIES: usize = 1_000;
/// The most bytes of one scrape.
pub const MOST_BYTES: usize = 200_000;
/// The most series of one route or method: a histogram for each method and status that was ever answered.
pub const MOST_SERIES_OF_ROUTE: usize = 160;

/// What one replica exposes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    /// Of which service.
    pub service: String,
    /// Lines that are samples.
    pub series: usize,
    /// Bytes of the whole answer.
    pub bytes: usize,
    /// Series by route or gRPC method.
    pub routes: BTreeMap<String, usize>,
}

/// Scrapes every target once.
///
/// # Errors
/// A Prometheus or a target that cannot be asked.
pub async fn measure(prometheus: &Prometheus) -> anyhow::Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for target in prometheus.targets().await? {
        let text = prometheus.scrape(&target).await?;
        costs.push(Cost {
            service: target.service,
            ..count(&text)
        });
    }
    Ok(costs)
}

/// Counts what is in a scrape.
fn count(text: &str) -> Cost {
    let mut cost = Cost {
        bytes: text.len(),
        ..Cost::default()
    };
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|it| !it.starts_with('#')) {
        // An exemplar comes after the sample.
        let sample = line.split_once(" # ").map_or(line, |it| it.0);
        let series = sample.rsplit_once(' ').map_or(sample, |it| it.0);
        cost.series += 1;
        assert!(seen.insert(series.to_owned()), "{series} is there twice");
        for (metric, label) in [
            (names::HTTP_SERVER_REQUEST_DURATION, names::HTTP_ROUTE),
            (names::RPC_SERVER_CALL_DURATION, names::RPC_METHOD),
        ] {
            if series.starts_with(metric)
                && let Some(route) = value(series, label)
            {
                *cost.routes.entry(route.to_owned()).or_default() += 1;
            }
        }
    }
    cost
}

/// The value of a label, which holds no quotes: it is a template or a name.
fn value<'a>(series: &'a str, label: &str) -> Option<&'a str> {
    let rest = series.split_once(&format!("{label}=\""))?.1;
    Some(rest.split_once('"')?.0)
}

impl Cost {
    /// What is beyond its bound.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let service = &self.service;
        if self.series > MOST_SERIES {
            problems.push(format!(
                "{service} has {} series, more than {MOST_SERIES}",
                self.series
            ));
        }
        if self.bytes > MOST_BYTES {
            problems.push(format!(
                "{service} answers {} bytes, more than {MOST_BYTES}",
                self.bytes
            ));
        }
        for (route, series) in &self.routes {
            if *series > MOST_SERIES_OF_ROUTE {
                problems.push(format!(
                    "{service} has {series} series of {route}, more than {MOST_SERIES_OF_ROUTE}"
                ));
            }
        }
        problems
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.routes.iter().max_by_key(|it| it.1);
        let most = most.map_or(String::new(), |(route, series)| {
            format!("{series} of {route}")
        });
        let Self {
            service,
            series,
            bytes,
            routes,
        } = self;
        write!(
            f,
            "{service:<10} {series:>5} series {bytes:>7} bytes {:>3} routes, at most {most}",
            routes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRAPE: &str = "\
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/a\"} 3
http_server_request_duration_seconds_bucket{http_request_method=\"GET\",http_route=\"/a\",le=\"0.1\"} 3 # {trace_id=\"ab\"} 0.05
rpc_server_call_duration_seconds_count{rpc_method=\"a.B/C\"} 1
orders_pending 0
# EOF
";

    #[test]
    fn series_bytes_and_routes_are_counted_and_bounded() {
        let mut cost = count(SCRAPE);
        assert_eq!((cost.series, cost.bytes), (4, SCRAPE.len()));
        let routes = [("/a".to_owned(), 2), ("a.B/C".to_owned(), 1)];
        assert_eq!(cost.routes, routes.into());
        assert!(cost.problems().is_empty());
        cost.series = MOST_SERIES + 1;
        cost.bytes = MOST_BYTES + 1;
        cost.routes
            .insert("/b".to_owned(), MOST_SERIES_OF_ROUTE + 1);
        assert_eq!(cost.problems().len(), 3);
    }
}
