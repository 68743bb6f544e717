//! The discovery file: Prometheus' `file_sd` format, read by the services and by Prometheus alike.
//!
//! A target is an admin address, because that is what Prometheus scrapes; the label `__service_address` is where
//! requests go. <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config>

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;

use super::service::Service;

/// A replica that takes requests.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Which service.
    pub service: Service,
    /// Counts the replicas of a service from 1.
    pub number: u32,
    /// Counts the starts of this replica from 1.
    pub start: u32,
    /// Process id.
    pub pid: u32,
    /// Where requests go.
    pub public: SocketAddr,
    /// Where probes, scrapes and faults go.
    pub admin: SocketAddr,
    /// What it writes to standard output and standard error.
    pub log: PathBuf,
}

impl Replica {
    /// What tells one start of one replica from all others, in resources of spans and in lines.
    pub fn instance(&self) -> String {
        instance(self.service, self.number, self.start)
    }
}

/// What a replica that is about to be started is told to call itself.
pub(super) fn instance(service: Service, number: u32, start: u32) -> String {
    format!("{service}-{number}.{start}")
}

/// Replaces the file in one step, so that no reader sees half of it. `scaler` has metrics and takes no requests; what it says
/// is of other services, so it has no label `service` of its own.
pub(super) fn write<'a>(
    path: &Path,
    live: impl Iterator<Item = &'a Replica>,
    scaler: Option<SocketAddr>,
) -> anyhow::Result<()> {
    let scaler = scaler.map(|it| json!({ "targets": [it.to_string()], "labels": {} }));
    let groups: Vec<_> = live
        .map(|it| {
            json!({
                "targets": [it.admin.to_string()],
                "labels": {
                    "service": it.service.name(),
                    "replica": it.number.to_string(),
                    "__service_address": it.public.to_string(),
                },
            })
        })
        .chain(scaler)
        .collect();
    let fresh = path.with_extension("json.new");
    let replace = || {
        fs::write(&fresh, serde_json::to_vec_pretty(&groups)?)?;
        fs::rename(&fresh, path)
    };
    replace().with_context(|| format!("write {}", path.display()))
}
