//! What the clients saw, as HDR histograms per phase × route × second.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::engine::Attempt;

/// Latencies beyond this are counted at it; in microseconds, one hour.
const HIGHEST_US: u64 = 3_600_000_000;
/// Values are kept to within 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// One cell: the requests of one phase and route that were due in one second.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Latencies from the intended start, in microseconds, of every request, failed ones too.
    pub latency: Histogram<u64>,
    /// Requests that were no success.
    pub errors: u64,
}

impl Cell {
    fn new() -> Self {
        Self {
            latency: histogram(),
            errors: 0,
        }
    }

    fn add(&mut self, other: &Self) {
        self.errors += other.errors;
        self.latency
            .add(&other.latency)
            .expect("all histograms have the same bounds");
    }
}

/// An empty histogram of microseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_US, SIGNIFICANT_DIGITS)
        .expect("an hour to three digits fits a histogram")
}

/// Identifies a cell: phase, route, second since the first arrival was due.
pub type Key = (u16, String, u32);

/// All cells, and how late the generator itself was.
#[derive(Debug)]
pub struct Recording {
    cells: BTreeMap<Key, Cell>,
    lag: Histogram<u64>,
}

impl Recording {
    /// Sorts `attempts` into cells.
    pub fn of(attempts: &[Attempt]) -> Self {
        let mut cells: BTreeMap<Key, Cell> = BTreeMap::new();
        let mut lag = histogram();
        for attempt in attempts {
            let second = u32::try_from(attempt.intended_us.max(0) / 1_000_000).unwrap_or(u32::MAX);
            let key = (attempt.phase, attempt.route.clone(), second);
            let cell = cells.entry(key).or_insert_with(Cell::new);
            cell.latency.saturating_record(attempt.latency_us().max(1));
            cell.errors += u64::from(attempt.error.is_some());
            lag.saturating_record(attempt.lag_us().max(1));
        }
        Self { cells, lag }
    }

    /// How late requests were sent, in microseconds.
    pub fn lag(&self) -> &Histogram<u64> {
        &self.lag
    }

    /// The cells of one phase, those of some routes if any are given, in order of their seconds.
    pub fn cells(&self, phase: u16, routes: &[&str]) -> Vec<(&Key, &Cell)> {
        self.cells
            .range((phase, String::new(), 0)..(phase.saturating_add(1), String::new(), 0))
            .filter(|(key, _)| routes.is_empty() || routes.contains(&key.1.as_str()))
            .collect()
    }

    /// The routes of one phase.
    pub fn routes(&self, phase: u16) -> Vec<String> {
        let mut routes: Vec<_> = self
            .cells(phase, &[])
            .into_iter()
            .map(|(key, _)| key.1.clone())
            .collect();
        routes.dedup();
        routes
    }

    /// One histogram and the errors for each route of a phase.
    pub fn by_route(&self, phase: u16) -> BTreeMap<String, Cell> {
        let mut routes: BTreeMap<String, Cell> = BTreeMap::new();
        for (key, cell) in self.cells(phase, &[]) {
            let route = routes.entry(key.1.clone()).or_insert_with(Cell::new);
            route.add(cell);
        }
        routes
    }

    /// One histogram and the errors for each second of a phase, of some routes or, if none are given, of all.
    pub fn seconds(&self, phase: u16, routes: &[&str]) -> BTreeMap<u32, Cell> {
        let mut seconds: BTreeMap<u32, Cell> = BTreeMap::new();
        for (key, cell) in self.cells(phase, routes) {
            seconds.entry(key.2).or_insert_with(Cell::new).add(cell);
        }
        seconds
    }

    /// Every route and second, whatever phase its arrivals belong to: two phases share the second between them.
    pub fn timeline(&self) -> BTreeMap<(&str, u32), Cell> {
        let mut timeline: BTreeMap<(&str, u32), Cell> = BTreeMap::new();
        for ((_, route, second), cell) in &self.cells {
            timeline
                .entry((route, *second))
                .or_insert_with(Cell::new)
                .add(cell);
        }
        timeline
    }
}
