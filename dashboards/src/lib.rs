//! Grafana's dashboards, written from the names that services record with.
//!
//! - [`model`]: what a dashboard is here
//! - `promql`, `shared`: queries as all of them ask
//! - `overview`, `service`, `objectives`, `journey`, `dependencies`, `caching`, `autoscaling`, `resilience`, `load_test`: the dashboards, a file each
//! - `grafana`: their JSON
//! - [`expression`]: what a query asks for
//! - [`prometheus`], [`check`], [`cost`]: whether every panel has data, and what a scrape costs
//! - `figure`, `chart`, [`picture`]: a dashboard drawn with the data of a run

mod annotations;
pub mod asked;
mod autoscaling;
mod caching;
mod chart;
pub mod check;
pub mod cost;
mod dependencies;
pub mod expression;
mod figure;
mod grafana;
mod journey;
mod load_test;
pub mod model;
mod objectives;
mod overview;
pub mod picture;
pub mod prometheus;
mod promql;
mod resilience;
mod service;
mod thresholds;

use std::path::{Path, PathBuf};

use model::Dashboard;

/// Every dashboard.
pub fn all() -> Vec<Dashboard> {
    vec![
        overview::dashboard(),
        service::dashboard(),
        objectives::dashboard(),
        journey::dashboard(),
        dependencies::dashboard(),
        caching::dashboard(),
        autoscaling::dashboard(),
        resilience::dashboard(),
        load_test::dashboard(),
    ]
}

/// Where their files are committed.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana")
}

/// Where their pictures are.
pub fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dashboards")
}

/// What the files of a dashboard are called, without their ending.
pub fn stem(it: &Dashboard) -> &'static str {
    it.uid.strip_prefix("windtunnel-").unwrap_or(it.uid)
}

/// The name of the file of a dashboard, and what is in it.
pub fn file(it: &Dashboard) -> (String, String) {
    let text = serde_json::to_string_pretty(&grafana::dashboard(it));
    let text = text.expect("JSON of texts and numbers can be written");
    (format!("{}.json", stem(it)), text + "\n")
}
