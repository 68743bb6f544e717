//! The admin ports of a deployment that is not ours, by the file that Prometheus finds them in.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::Context as _;
use serde::Deserialize;

use super::{
    collect::scrape_at,
    ledgers::Ledgers,
    metrics::Format,
    testimony::{Evidence, Scrape},
};
use crate::{
    deployment::{SERVICES, Service},
    http,
};

/// The longest wait for an answer; a ledger may be long.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A group of targets.
/// <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config>
#[derive(Deserialize)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Where each service answers on its admin port, `host:port` for each replica.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    http: reqwest::Client,
    replicas: BTreeMap<Service, Vec<String>>,
}

impl Admin {
    /// Reads a discovery file. Targets of others are passed over.
    ///
    /// # Errors
    /// A file that cannot be read or is no discovery file, or has no target with one of our names as its label `service`.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        let groups: Vec<Group> = serde_json::from_slice(&text)
            .with_context(|| format!("read {} as a list of targets", file.display()))?;
        let mut replicas: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for group in groups {
            let named = group.labels.get("service");
            let service = SERVICES
                .into_iter()
                .find(|it| named.is_some_and(|name| name == it.name()));
            if let Some(service) = service {
                replicas.entry(service).or_default().extend(group.targets);
            }
        }
        let all = SERVICES.iter().all(|it| replicas.contains_key(it));
        anyhow::ensure!(
            all,
            "{} must have a target for each service, which its label `service` names: {}",
            file.display(),
            SERVICES.map(Service::name).join(", ")
        );
        Ok(Self {
            http: http::client(TIMEOUT)?,
            replicas,
        })
    }

    /// Scrapes all of them.
    ///
    /// # Errors
    /// One that does not answer.
    pub(crate) async fn scrape(&self) -> anyhow::Result<BTreeMap<Service, Vec<Scrape>>> {
        let mut scrapes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (&service, replicas) in &self.replicas {
            for admin in replicas {
                let scrape = scrape_at(&self.http, admin, Format::Text, None).await?;
                scrapes.entry(service).or_default().push(scrape);
            }
        }
        Ok(scrapes)
    }

    /// The ledgers; one replica of a service is as good as another.
    ///
    /// # Errors
    /// One that does not answer.
    pub(crate) async fn ledgers(&self) -> anyhow::Result<Ledgers> {
        let first = |service| self.replicas.get(&service)?.first();
        let admin = |service| Some(format!("http://{}", first(service)?));
        Ledgers::read(&self.http, admin).await
    }
}

/// What was said between two scrapes of the same replicas: of lines and spans nothing.
pub(crate) fn between(
    first: BTreeMap<Service, Vec<Scrape>>,
    mut last: BTreeMap<Service, Vec<Scrape>>,
) -> Evidence {
    let mut evidence = Evidence::new();
    for (service, replicas) in first {
        let last = last.remove(&service).unwrap_or_default();
        let pairs = replicas.into_iter().zip(last).map(|(a, b)| vec![a, b]);
        evidence.entry(service).or_default().scrapes = pairs.collect();
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Admin> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("services.json");
        fs::write(&file, text).unwrap();
        Admin::read(&file)
    }

    #[test]
    fn targets_are_known_by_their_label_and_others_are_passed_over() {
        let group = |service: &str| {
            format!(
                r#"{{"targets":["{service}-1:9100","{service}-2:9100"],"labels":{{"service":"{service}"}}}}"#
            )
        };
        let mut groups: Vec<_> = SERVICES.iter().map(|it| group(it.name())).collect();
        groups.push(group("postgres"));
        groups.push(r#"{"targets":["nobody:9100"]}"#.to_owned());
        let found = read(&format!("[{}]", groups.join(","))).unwrap().replicas;
        assert_eq!(found.len(), SERVICES.len());
        assert_eq!(found[&Service::Orders], ["orders-1:9100", "orders-2:9100"]);
    }

    #[test]
    fn a_file_without_all_services_is_refused_with_their_names() {
        let error = read(r#"[{"targets":["a:1"],"labels":{"service":"orders"}}]"#).unwrap_err();
        assert!(error.to_string().contains("payments"), "{error}");
        assert!(read("{}").is_err());
    }
}
