//! Where the replicas of a service are.

mod dns;
mod file;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use chassis::url::{path, scheme};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};
use tokio::sync::{Notify, watch};

pub use self::dns::DnsName;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabel {
    server_address: &'static str,
}

static KNOWN: LazyLock<Family<ServerLabel, Gauge>> = LazyLock::new(|| {
    let help = "Replicas of an upstream that are known";
    let name = telemetry::names::DISCOVERY_REPLICAS;
    telemetry::register(name, help, Family::default())
});

/// How the replicas of an upstream are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `file:PATH`: a Prometheus `file_sd` file in JSON, read again whenever it changes. A target's label `service` names
    /// its service and `__service_address` its public address; the target itself is the admin port that is scraped.
    File(PathBuf),
    /// `dns://NAME:PORT`: a replica at each address of a name.
    Dns(DnsName),
    /// `http://IP:PORT`: one fixed replica.
    Fixed(SocketAddr),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = match scheme(text) {
            ("file", rest) => path(rest).map(Self::File),
            ("dns", rest) => rest
                .strip_prefix("//")
                .and_then(DnsName::parse)
                .map(Self::Dns),
            ("http", rest) => rest
                .strip_prefix("//")
                .and_then(|it| it.trim_end_matches('/').parse().ok())
                .map(Self::Fixed),
            _ => None,
        };
        address.ok_or_else(|| {
            format!("expected file:PATH, dns://NAME:PORT or http://IP:PORT, found {text:?}")
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Dns(name) => write!(f, "dns://{name}"),
            Self::Fixed(address) => write!(f, "http://{address}"),
        }
    }
}

/// The public addresses of a service's replicas, now and after every change.
#[derive(Debug)]
pub(crate) struct Replicas {
    known: watch::Receiver<Arc<[SocketAddr]>>,
    doubts: Arc<Notify>,
}

impl Replicas {
    pub(crate) fn known(&self) -> watch::Ref<'_, Arc<[SocketAddr]>> {
        self.known.borrow()
    }

    /// One of them cannot be reached: what is known may be out of date.
    pub(crate) fn doubt(&self) {
        self.doubts.notify_one();
    }
}

/// Where a follower tells what it has found.
struct Findings {
    service: &'static str,
    known: watch::Sender<Arc<[SocketAddr]>>,
    doubts: Arc<Notify>,
}

impl Findings {
    fn tell(&self, mut replicas: Vec<SocketAddr>) {
        // A name server may turn its records at each answer; a list in another order is no other list.
        replicas.sort_unstable();
        replicas.dedup();
        let (server_address, count) = (self.service, replicas.len());
        let label = ServerLabel { server_address };
        let gauge = i64::try_from(count).unwrap_or(i64::MAX);
        KNOWN.get_or_create(&label).set(gauge);
        let changed = self.known.send_if_modified(|it| {
            let changed = **it != *replicas;
            *it = replicas.into();
            changed
        });
        if changed {
            tracing::info!(service = self.service, replicas = count, "discovered");
        }
    }
}

/// Follows the replicas of `service` until the receiver is gone.
pub(crate) fn follow(address: &Address, service: &'static str) -> Replicas {
    let (findings, replicas) = channel(service);
    match address {
        Address::Fixed(address) => findings.tell(vec![*address]),
        Address::File(path) => _ = tokio::spawn(file::follow(path.clone(), findings)),
        Address::Dns(name) => _ = tokio::spawn(dns::follow(name.clone(), findings)),
    }
    replicas
}

fn channel(service: &'static str) -> (Findings, Replicas) {
    let (sender, known) = watch::channel(Arc::default());
    let doubts = Arc::<Notify>::default();
    let findings = Findings {
        service,
        known: sender,
        doubts: Arc::clone(&doubts),
    };
    (findings, Replicas { known, doubts })
}

/// Replicas that a test changes by hand.
#[cfg(test)]
pub(crate) fn by_hand(replicas: &[SocketAddr]) -> (watch::Sender<Arc<[SocketAddr]>>, Replicas) {
    let (findings, known) = channel("test");
    findings.tell(replicas.to_vec());
    (findings.known, known)
}
