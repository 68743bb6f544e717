//! Replicas at the addresses of a name, asked for again when the answer has outlived its TTL or a replica cannot be reached.
//!
//! A failed lookup changes nothing, and neither does an answer without a record or that there is no such name. Kubernetes
//! says so of a service whose pods are all unready, but a name server that has just been started says it too, and behind a
//! list of search domains it cannot be told from a failure of the right one. Nothing is gained by believing it: where
//! nobody is left, connections fail, which is found out anyway.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    sync::LazyLock,
    time::Duration,
};

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::Name},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, histogram::Histogram},
};
use telemetry::names;
use tokio::time::{Instant, sleep_until, timeout};

use super::Findings;

/// Lookups of one name begin at least so far apart, whatever the TTL says and however many connections fail.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest an answer is trusted. Docker's name server says ten minutes.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait for a name server, which is then asked once more.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 2;
/// The longest a lookup may take, over all name servers and search domains.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    dns_question_name: String,
    error_type: &'static str,
}

type Durations = Family<Labels, Histogram, fn() -> Histogram>;

pub(super) static LOOKUPS: LazyLock<Durations> = LazyLock::new(|| {
    let help = "Duration of a DNS lookup, over all name servers and search domains";
    let family = Durations::new_with_constructor(|| Histogram::new(names::LATENCY_BUCKETS));
    telemetry::register(names::DNS_LOOKUP_DURATION, help, family)
});

/// A name with the port its replicas listen on: `NAME:PORT`, or `NAME:PORT?resolver=IP:PORT` for a name server other than
/// those of `/etc/resolv.conf`. A replica is at each of its A records, or AAAA records where it has no others. A name that
/// ends in a dot is not looked for in search domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DnsName {
    name: String,
    pub(super) port: u16,
    pub(super) resolver: Option<SocketAddr>,
}

impl DnsName {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, port) = text.rsplit_once(':')?;
        let usual = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
        let valid = !name.is_empty() && name.bytes().all(usual) && Name::from_ascii(name).is_ok();
        valid.then_some(())?;
        Some(Self {
            name: name.to_owned(),
            port: port.parse().ok()?,
            resolver: None,
        })
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let provider = TokioRuntimeProvider::default;
        let mut builder = match self.resolver {
            None => Resolver::builder(provider())?,
            Some(address) => {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                udp.port = address.port();
                tcp.port = address.port();
                let server = NameServerConfig::new(address.ip(), true, vec![udp, tcp]);
                let config = ResolverConfig::from_name_servers(vec![server]);
                Resolver::builder_with_config(config, provider())
            }
        };
        limit(builder.options_mut());
        builder.build()
    }

    /// Where the replicas are, and for how long that is so.
    async fn look_up(
        &self,
        resolver: &mut Option<TokioResolver>,
    ) -> Result<(Vec<SocketAddr>, Duration), Failure> {
        let resolver = match resolver {
            Some(it) => it,
            // Without a readable /etc/resolv.conf there is none; it may be repaired.
            none => none.insert(self.resolver()?),
        };
        let lookup = timeout(LOOKUP_TIMEOUT, resolver.lookup_ip(self.name.as_str()));
        let found = lookup.await.map_err(|_| NetError::Timeout)??;
        let replicas: Vec<_> = found.iter().map(|it| (it, self.port).into()).collect();
        if replicas.is_empty() {
            return Err(Failure("no_records"));
        }
        let valid_until = Instant::from_std(found.valid_until());
        Ok((
            replicas,
            valid_until.saturating_duration_since(Instant::now()),
        ))
    }
}

/// Nothing is kept: who asks again wants to know anew.
fn limit(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.timeout = ATTEMPT_TIMEOUT;
    options.attempts = ATTEMPTS;
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
}

impl Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)?;
        match self.resolver {
            Some(resolver) => write!(f, "?resolver={resolver}"),
            None => Ok(()),
        }
    }
}

/// Why a name was not found, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure(&'static str);

impl From<NetError> for Failure {
    fn from(error: NetError) -> Self {
        Self(match error {
            NetError::Timeout => "timeout",
            NetError::Dns(DnsError::NoRecordsFound(it)) => match it.response_code {
                ResponseCode::NXDomain => "host_not_found",
                _ => "no_records",
            },
            NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => "server_failure",
            _ => "_OTHER",
        })
    }
}

/// Tells the addresses of `name` until nobody wants to know them.
pub(super) async fn follow(name: DnsName, findings: Findings) {
    let (mut resolver, mut last) = (None, None);
    loop {
        let asked = Instant::now();
        let answer = name.look_up(&mut resolver).await;
        let labels = Labels {
            dns_question_name: name.name.clone(),
            error_type: answer.as_ref().map_or_else(|it| it.0, |_| ""),
        };
        let took = asked.elapsed().as_secs_f64();
        LOOKUPS.get_or_create_owned(&labels).observe(took);
        let failure = answer.as_ref().err().copied();
        let trust = match answer {
            Ok((replicas, ttl)) => {
                findings.tell(replicas);
                ttl.clamp(SHORTEST, LONGEST)
            }
            Err(Failure(error)) => {
                if last != failure {
                    let service = findings.service;
                    tracing::warn!(service, %name, error, "DNS lookup failed; last known replicas kept");
                }
                SHORTEST
            }
        };
        last = failure;
        tokio::select! {
            () = findings.known.closed() => return,
            () = sleep_until(asked + SHORTEST) => (),
        }
        // A doubt that came meanwhile is still there.
        tokio::select! {
            () = findings.known.closed() => return,
            () = findings.doubts.notified() => (),
            () = sleep_until(asked + trust) => (),
        }
    }
}
