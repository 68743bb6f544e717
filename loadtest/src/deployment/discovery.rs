//! The discovery file: Prometheus' `file_sd` format, read by the services and by Prometheus alike.
//!
//! A target is an admin address, because that is what Prometheus scrapes; the label `__service_address` is where
//! requests go. <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config>

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;

use super::{
    service::Service,
    track::{Make, Track},
};

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
    /// What it was started as.
    pub make: Make,
}

impl Replica {
    /// The base of the URLs at which `service` shows what its admin port shows alone, if this replica serves it: below the name of a part,
    /// but for the gateway, whose process a monolith is.
    pub fn admin_of(&self, service: Service) -> Option<String> {
        let admin = self.admin;
        match self.service {
            Service::Monolith if service.is_public() => Some(format!("http://{admin}")),
            Service::Monolith => Some(format!("http://{admin}/{service}")),
            own => (own == service).then(|| format!("http://{admin}")),
        }
    }

    /// What tells one start of one replica from all others, in resources of spans and in lines.
    pub fn instance(&self) -> String {
        instance(self.service, self.number, self.start)
    }
}

/// What a replica that is about to be started is told to call itself.
pub(super) fn instance(service: Service, number: u32, start: u32) -> String {
    format!("{service}-{number}.{start}")
}

/// What each replica of a track weighs, where that is not one.
pub(super) type Weights = BTreeMap<(Service, Track), f64>;

/// Replaces the file in one step, so that no reader sees half of it. `scaler` has metrics and takes no requests; what it says
/// is of other services, so it has no label `service` of its own. What is usual has no label: a replica whose version nobody chose,
/// one of the stable track, a weight of one.
pub(super) fn write<'a>(
    path: &Path,
    live: impl Iterator<Item = &'a Replica>,
    weights: &Weights,
    scaler: Option<SocketAddr>,
) -> anyhow::Result<()> {
    let scaler = scaler.map(|it| json!({ "targets": [it.to_string()], "labels": {} }));
    let group = |it: &Replica| {
        let mut labels = BTreeMap::from([
            ("service", it.service.name().to_owned()),
            ("replica", it.number.to_string()),
            ("__service_address", it.public.to_string()),
        ]);
        if let Some(version) = it.make.version {
            labels.insert("version", version.to_owned());
        }
        if it.make.track != Track::Stable {
            labels.insert("track", it.make.track.name().to_owned());
        }
        if let Some(weight) = weights.get(&(it.service, it.make.track)) {
            labels.insert("__service_weight", weight.to_string());
        }
        json!({ "targets": [it.admin.to_string()], "labels": labels })
    };
    let groups: Vec<_> = live.map(group).chain(scaler).collect();
    let fresh = path.with_extension("json.new");
    let replace = || {
        fs::write(&fresh, serde_json::to_vec_pretty(&groups)?)?;
        fs::rename(&fresh, path)
    };
    replace().with_context(|| format!("write {}", path.display()))
}
