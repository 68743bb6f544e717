//! Where the replicas of a service are.

mod dns;
mod file;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::Router;
use chassis::url::{path, scheme};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};
use tokio::sync::{Notify, watch};

use crate::protections::{self, Protections, duration};

pub(crate) use self::dns::DnsName;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabel {
    server_address: &'static str,
}

static KNOWN: LazyLock<Family<ServerLabel, Gauge>> = LazyLock::new(|| {
    let help = "Known replicas of an upstream service";
    let name = telemetry::names::DISCOVERY_REPLICAS;
    telemetry::register(name, help, Family::default())
});

/// Where services are unless told: the file that `loadtest` writes.
pub const DEFAULT_ADDRESS: &str = "file:services.json";

/// What an [`Address`] looks like, for the end of a service's `--help`.
pub const ADDRESS_HELP: &str = "\
Addresses of services:
  file:PATH        a file_sd file of Prometheus, followed when it changes
  dns://NAME:PORT  every address of a name, followed as its records expire
  http://IP:PORT   one fixed replica
Each may end in parameters, such as dns://catalog:8080?timeout=2s&max_idle=16:
  timeout=DURATION          the longest a call may take
  connect_timeout=DURATION  the longest a connection may take (250ms)
  max_idle=COUNT            idle connections kept for each replica (128)
  resolver=IP:PORT          dns only: another name server than the machine's
and, of how calls are protected:
  bulkhead=COUNT            calls in flight at once; as many more may wait (128)
  bulkhead_wait=DURATION    the longest that one waits for a place (100ms)
  breaker=PERCENT           the circuit breaker opens when so many calls fail, of at least 20 (50)
  breaker_window=DURATION   how far back calls count for that, and for ejection (5s)
  breaker_open=DURATION     how long it stays open before a call may try (2s)
  slow=DURATION             a call that takes so long has failed (half of its timeout)
  retries=PERCENT           calls tried again, of all, if they are idempotent; one a second in any case (10). always: each that fails,
                            three times, which multiplies what too much is asked of already
  ejection=on|off           leave out replicas that fail or are slow by more than the others, at most half (on)
  protections=on|off        all of these; what follows it holds
bulkhead, breaker and retries may be off
and, of when calls end:
  try=DURATION              the longest one try may take before another (timeout)
  deadline=on|off           with the request that they are for, of which the callee is told how much time is left (on)
  cancel=on|off             when nobody waits for them any more (on)";

/// Where the replicas of an upstream are, and what a call to them may cost where that is not what its caller has in mind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) source: Source,
    pub(crate) timeout: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) max_idle: Option<usize>,
    pub(crate) protections: Protections,
}

/// How the replicas of an upstream are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `file:PATH`: a Prometheus `file_sd` file in JSON, read again whenever it changes. A target's label `service` names
    /// its service and `__service_address` its public address; the target itself is the admin port that is scraped. `track` names the
    /// side of a split that it is on, and `__service_weight` what it adds to that side's weight.
    File(PathBuf),
    /// `dns://NAME:PORT`: a replica at each address of a name.
    Dns(DnsName),
    /// `http://IP:PORT`: one fixed replica.
    Fixed(SocketAddr),
    /// The routes of the service itself, in this process.
    Within(Within),
}

/// Routes that are called, and have no address. They are equal only to themselves.
#[derive(Debug, Clone)]
pub(crate) struct Within(Arc<Router>);

impl PartialEq for Within {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Within {}

/// Where the one replica is that is in this process: at no address.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl From<Source> for Address {
    fn from(source: Source) -> Self {
        Self {
            source,
            timeout: None,
            connect_timeout: None,
            max_idle: None,
            protections: Protections::default(),
        }
    }
}

/// One fixed replica.
impl From<SocketAddr> for Address {
    fn from(replica: SocketAddr) -> Self {
        Source::Fixed(replica).into()
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, parameters) = text.split_once('?').unwrap_or((text, ""));
        let mut address: Self = place.parse::<Source>()?.into();
        for parameter in parameters.split('&').filter(|it| !it.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            address.set(name, value)?;
        }
        Ok(address)
    }
}

impl Address {
    /// The service whose `routes` are in this process, such as those of a part of a monolith: calls to it are calls, with all that an
    /// address says of them but what is about connections.
    #[must_use]
    pub fn within(self, routes: Router) -> Self {
        Self {
            source: Source::Within(Within(Arc::new(routes))),
            ..self
        }
    }

    /// Those routes, where it is in this process.
    pub(crate) fn within_process(&self) -> Option<&Router> {
        match &self.source {
            Source::Within(it) => Some(&it.0),
            Source::File(_) | Source::Dns(_) | Source::Fixed(_) => None,
        }
    }

    /// The port that it names; none for a file, which says for each replica where that listens now.
    pub(crate) fn port(&self) -> Option<u16> {
        match &self.source {
            Source::File(_) | Source::Within(_) => None,
            Source::Dns(it) => Some(it.port),
            Source::Fixed(it) => Some(it.port()),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let bad = |expected: &str| format!("{name} is {expected}, not {value:?}");
        if let Some(set) = self.protections.set(name, value) {
            return set;
        }
        match (name, &mut self.source) {
            ("timeout", _) => self.timeout = Some(duration(name, value)?),
            ("connect_timeout", _) => self.connect_timeout = Some(duration(name, value)?),
            ("max_idle", _) => {
                let count = value.parse().map_err(|_| bad("a number of connections"))?;
                self.max_idle = Some(count);
            }
            ("resolver", Source::Dns(it)) => {
                it.resolver = Some(value.parse().map_err(|_| bad("IP:PORT"))?);
            }
            _ => {
                return Err(format!(
                    "unknown parameter {name:?}: known are timeout, connect_timeout, max_idle, {} and, of dns, resolver",
                    protections::NAMES.join(", ")
                ));
            }
        }
        Ok(())
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let source = match scheme(text) {
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
        source.ok_or_else(|| {
            format!("expected file:PATH, dns://NAME:PORT or http://IP:PORT, found {text:?}")
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = '?';
        match &self.source {
            Source::File(path) => write!(f, "file:{}", path.display())?,
            Source::Fixed(address) => write!(f, "http://{address}")?,
            Source::Within(_) => write!(f, "in this process")?,
            Source::Dns(name) => {
                write!(f, "dns://{name}")?;
                // The name server is shown already.
                before = if name.resolver.is_some() { '&' } else { '?' };
            }
        }
        let shown = |it: Duration| humantime::format_duration(it).to_string();
        let parameters = [
            ("timeout", self.timeout.map(shown)),
            ("connect_timeout", self.connect_timeout.map(shown)),
            ("max_idle", self.max_idle.map(|it| it.to_string())),
        ];
        let parameters = parameters.into_iter();
        let parameters = parameters.filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in parameters.chain(self.protections.told()) {
            write!(f, "{before}{name}={value}")?;
            before = '&';
        }
        Ok(())
    }
}

/// What a replica is for, where nobody says: it serves.
const STABLE: &str = "stable";

/// What is known of a replica.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    /// Where requests go.
    pub(crate) address: SocketAddr,
    /// The side of a split that it is on.
    pub(crate) track: Arc<str>,
    /// What it adds to the weight of that side.
    pub(crate) weight: f64,
}

impl From<SocketAddr> for Known {
    fn from(address: SocketAddr) -> Self {
        Self {
            address,
            track: STABLE.into(),
            weight: 1.0,
        }
    }
}

#[cfg(test)]
impl From<([u8; 4], u16)> for Known {
    fn from(address: ([u8; 4], u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

/// A service's replicas, now and after every change.
#[derive(Debug)]
pub(crate) struct Replicas {
    known: watch::Receiver<Arc<[Known]>>,
    doubts: Arc<Notify>,
}

impl Replicas {
    pub(crate) fn known(&self) -> watch::Ref<'_, Arc<[Known]>> {
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
    known: watch::Sender<Arc<[Known]>>,
    doubts: Arc<Notify>,
}

impl Findings {
    fn tell<R: Into<Known>>(&self, replicas: Vec<R>) {
        let mut replicas: Vec<Known> = replicas.into_iter().map(Into::into).collect();
        // A name server may turn its records at each answer; a list in another order is no other list.
        replicas.sort_by_key(|it| it.address);
        replicas.dedup_by_key(|it| it.address);
        let (server_address, count) = (self.service, replicas.len());
        let label = ServerLabel { server_address };
        let gauge = i64::try_from(count).unwrap_or(i64::MAX);
        KNOWN.get_or_create(&label).set(gauge);
        let changed = self.known.send_if_modified(|it| {
            let changed = **it != *replicas;
            if changed {
                *it = replicas.into();
            }
            changed
        });
        if changed {
            tracing::info!(service = self.service, replicas = count, "discovered");
        }
    }
}

/// Follows the replicas of `service` until the receiver is gone.
pub(crate) fn follow(source: &Source, service: &'static str) -> Replicas {
    let (findings, replicas) = channel(service);
    match source {
        Source::Fixed(address) => findings.tell(vec![*address]),
        Source::Within(_) => findings.tell(vec![NOWHERE]),
        Source::File(path) => {
            let file = file::File::read(path.clone(), findings);
            tokio::spawn(file.follow());
        }
        Source::Dns(name) => _ = tokio::spawn(dns::follow(name.clone(), findings)),
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
pub(crate) fn by_hand(replicas: &[SocketAddr]) -> (watch::Sender<Arc<[Known]>>, Replicas) {
    let (findings, known) = channel("test");
    findings.tell(replicas.to_vec());
    (findings.known, known)
}
