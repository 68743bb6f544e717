//! What one shop showed in one slice.

use std::collections::BTreeMap;

use crate::{recording::Cell, statistics::to_f64};

/// One slice of one shop.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    /// Its requests.
    pub(crate) routes: BTreeMap<String, Cell>,
    /// How long arrivals came.
    pub(crate) seconds: f64,
    /// Seconds of processor time of all its processes for each request, those of the lead-in included; where the kernel tells.
    pub(crate) cpu_per_request: Option<f64>,
}

/// A slice of A and one of B with the same arrivals, one right after the other.
pub(crate) type Pair = [Slice; 2];

impl Slice {
    /// Failed requests, and all.
    pub(super) fn failed(&self) -> (u64, u64) {
        let cells = self.routes.values();
        cells.fold((0, 0), |sum, it| {
            (sum.0 + it.errors, sum.1 + it.latency.len())
        })
    }

    /// Requests a second that were answered well.
    pub(super) fn goodput(&self) -> f64 {
        let (failed, all) = self.failed();
        to_f64(all - failed) / self.seconds
    }

    /// A percentile of the latency of `route` in milliseconds; `None` where fewer than `beyond` requests lie beyond it.
    pub(super) fn percentile(&self, route: &str, p: f64, beyond: f64) -> Option<f64> {
        let latency = &self.routes.get(route)?.latency;
        let enough = to_f64(latency.len()) * (1.0 - p) >= beyond;
        enough.then(|| to_f64(latency.value_at_quantile(p)) / 1000.0)
    }
}
