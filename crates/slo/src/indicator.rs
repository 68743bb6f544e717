//! What is counted for an objective, and which part of it is bad.

use std::{fmt, time::Duration};

use anyhow::{Context as _, ensure};

use crate::Selector;

const METHOD: &str = "http_request_method";
const ROUTE: &str = "http_route";
/// The upper bound of a bucket, in seconds.
const LE: &str = "le";

/// Which events there are, and which of them are bad.
#[derive(Debug, Clone, PartialEq)]
pub enum Indicator {
    /// Those that failed are bad.
    Failed {
        /// Counts the bad ones.
        bad: Selector,
        /// Counts all.
        total: Selector,
    },
    /// Those that took too long are bad, and those that are open past their limit already.
    Late {
        /// Counts the good ones: a bucket of the histogram that `total` counts.
        good: Selector,
        /// Counts those that are over.
        total: Selector,
        /// The upper bound of that bucket.
        limit: Duration,
        /// Those that are open past their limit now.
        open: Option<Open>,
    },
}

/// A gauge of what is open, over all replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// `max` where every replica knows of all, `sum` where each knows of its own.
    aggregate: &'static str,
    /// The gauge.
    pub gauge: Selector,
}

impl Open {
    /// Reads `max(SELECTOR)` or `sum(SELECTOR)`.
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        let inside = |it: &str| text.strip_prefix(it)?.strip_prefix('(')?.strip_suffix(')');
        let found = ["max", "sum"]
            .into_iter()
            .find_map(|it| Some((it, inside(it)?)));
        let (aggregate, gauge) = found.with_context(|| format!("`{text}` is no max() or sum()"))?;
        Ok(Self {
            aggregate,
            gauge: Selector::read(gauge)?,
        })
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.aggregate, self.gauge)
    }
}

impl Indicator {
    pub(crate) fn failed(bad: Selector, total: Selector) -> anyhow::Result<Self> {
        ensure!(
            bad.metric == total.metric && bad.metric.ends_with("_count"),
            "bad and total are not the same counter: {bad}, {total}"
        );
        let fewer = total.labels().all(|it| bad.values(it) == total.values(it));
        ensure!(fewer, "bad is no part of total: {bad}, {total}");
        Ok(Self::Failed { bad, total })
    }

    pub(crate) fn late(
        good: Selector,
        total: Selector,
        open: Option<Open>,
    ) -> anyhow::Result<Self> {
        let bounds = good.values(LE).context("good asks for no bucket")?;
        let [bound] = bounds[..] else {
            anyhow::bail!("good asks for several buckets: {good}")
        };
        // Prometheus writes them so, and nothing else matches.
        ensure!(bound.contains('.'), "write le=\"{bound}.0\": {good}");
        let limit = bound.parse().context("le is no number of seconds")?;
        let limit = Duration::try_from_secs_f64(limit)?;
        let histogram = total.metric.strip_suffix("_count");
        let histogram = histogram.context("total is no count of a histogram")?;
        let bucket = format!("{histogram}_bucket");
        ensure!(
            good.without(LE) == total.of(&bucket),
            "good is no bucket of total: {good}, {total}"
        );
        Ok(Self::Late {
            good,
            total,
            limit,
            open,
        })
    }

    /// Counts all events, or all that are over.
    pub fn total(&self) -> &Selector {
        match self {
            Self::Failed { total, .. } | Self::Late { total, .. } => total,
        }
    }

    /// The longest that a good event takes, where time counts.
    pub fn limit(&self) -> Option<Duration> {
        match self {
            Self::Failed { .. } => None,
            Self::Late { limit, .. } => Some(*limit),
        }
    }

    /// Every selector.
    pub fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Failed { bad, total } => vec![bad, total],
            Self::Late {
                good, total, open, ..
            } => {
                let open = open.iter().map(|it| &it.gauge);
                [good, total].into_iter().chain(open).collect()
            }
        }
    }

    /// The routes whose requests are counted, such as `GET /products/{id}`; none where it counts no requests.
    pub fn routes(&self) -> Vec<String> {
        let total = self.total();
        let methods = total.values(METHOD).unwrap_or_default();
        let routes = total.values(ROUTE).unwrap_or_default();
        let of = |method: &&str| -> Vec<String> {
            routes.iter().map(|it| format!("{method} {it}")).collect()
        };
        methods.iter().flat_map(of).collect()
    }
}
