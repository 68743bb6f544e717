//! The cache that replicas share: Redis or Memcached, each call within a deadline and behind a breaker.

use std::{
    fmt::{self, Display},
    sync::LazyLock,
    time::Duration,
};

use anyhow::Context as _;
use chassis::now_ms;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use resilience::{Breaker, BreakerSettings, Call, Opens, State};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use telemetry::{DbFailure, names};
use tokio::time::Instant;

use crate::{Options, Url, memcached::Memcached};

/// The longest value that is kept; larger ones are loaded each time.
const MAX_BYTES: usize = 512 * 1024;
/// After failures in a row the shared cache is left alone, before one call may try again: a replica that finds most values in its memory
/// calls too seldom for a share of its calls to mean anything. What is slow has failed already, by its timeout.
const BREAKER: BreakerSettings = BreakerSettings {
    opens: Opens::InARow(5),
    slow: Duration::MAX,
    left_alone: Duration::from_secs(1),
    probes: 1,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    cache: &'static str,
    error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabel {
    cache: &'static str,
}

static FAILURES: LazyLock<Family<FailureLabels, Counter>> = LazyLock::new(|| {
    let help = "Failed calls to the shared cache; the value was loaded from its source";
    telemetry::register(names::CACHE_FAILURES, help, Family::default())
});

static BREAKER_OPEN: LazyLock<Family<CacheLabel, Gauge>> = LazyLock::new(|| {
    let help = "Whether the circuit breaker of the shared cache is open (1) or closed (0)";
    telemetry::register(names::CACHE_BREAKER_OPEN, help, Family::default())
});

enum Client {
    Redis(ConnectionManager),
    Memcached(Memcached),
}

/// The shared cache of one kind of value.
pub(super) struct Remote {
    name: &'static str,
    /// What every key begins with.
    prefix: String,
    client: Client,
    options: Options,
    breaker: Breaker,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A value with the time it was loaded, in milliseconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept<V> {
    pub(super) loaded_at: i64,
    pub(super) value: V,
}

impl<V> Kept<V> {
    /// How long ago it was loaded; no time at all where another clock is ahead of ours.
    pub(super) fn age(&self) -> Duration {
        let age = u64::try_from(now_ms().saturating_sub(self.loaded_at)).unwrap_or(0);
        Duration::from_millis(age)
    }
}

/// A call that came to nothing, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure(&'static str);

/// The cache's name has no address.
const UNRESOLVED: Failure = Failure("unresolved");

impl Failure {
    /// As samples and spans have it.
    fn reason(&self) -> DbFailure {
        DbFailure::Reason(self.0)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Remote {
    /// Prepares the client of the URL; nothing is connected yet. None, if it names no shared cache.
    pub(super) async fn open(
        name: &'static str,
        options: &Options,
    ) -> anyhow::Result<Option<Self>> {
        let (client, prefix) = match &options.url {
            Url::Memory => return Ok(None),
            Url::Redis(server) => {
                let client = redis::Client::open(format!("redis://{}", server.address));
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(options.timeout))
                    .set_response_timeout(Some(options.timeout))
                    .set_number_of_retries(1);
                let manager = client
                    .and_then(|it| ConnectionManager::new_lazy_with_config(it, config))
                    .with_context(|| format!("read the cache's URL {}", options.url))?;
                (Client::Redis(manager), &server.prefix)
            }
            Url::Memcached(server) => {
                let client = Memcached::open(&server.address, options.timeout).await;
                (Client::Memcached(client), &server.prefix)
            }
        };
        let separator = if prefix.is_empty() { "" } else { ":" };
        Ok(Some(Self {
            name,
            prefix: format!("{prefix}{separator}{name}:"),
            client,
            options: options.clone(),
            breaker: Breaker::new(BREAKER),
        }))
    }

    /// What is kept of `key`.
    pub(super) async fn get<V: DeserializeOwned>(&self, key: &str) -> Option<Kept<V>> {
        let bytes = self.call("GET", self.client.get(&self.key(key))).await??;
        let Ok(kept) = serde_json::from_slice::<Kept<V>>(&bytes) else {
            // Another version of this service wrote it, or something else did: it will be written over.
            self.note(Failure("garbage"));
            return None;
        };
        Some(kept)
    }

    /// Keeps a value for the other replicas.
    pub(super) async fn set<V: Serialize>(&self, key: &str, kept: &Kept<V>) {
        let bytes = serde_json::to_vec(kept).unwrap_or_default();
        if bytes.is_empty() || bytes.len() > MAX_BYTES {
            self.note(Failure("too_large"));
            return;
        }
        // Both kinds count whole seconds.
        let ttl = self.options.life().max(Duration::from_secs(1));
        let key = self.key(key);
        self.call("SET", self.client.set(&key, &bytes, ttl)).await;
    }

    /// Forgets `key`.
    pub(super) async fn delete(&self, key: &str) {
        self.call("DELETE", self.client.delete(&self.key(key)))
            .await;
    }

    #[cfg(test)]
    pub(super) fn is_left_alone(&self) -> bool {
        self.breaker.state() != State::Closed
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Makes a call, if the breaker admits it; none, if it came to nothing.
    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Option<T> {
        let Some(permit) = self.breaker.admit(now()) else {
            self.note(Failure("breaker_open"));
            return None;
        };
        let bounded = async {
            let ended = tokio::time::timeout(self.options.timeout, call).await;
            ended.unwrap_or(Err(Failure("timeout")))
        };
        let system = self.client.system();
        match telemetry::db(system, operation, self.name, Failure::reason, bounded).await {
            Ok(it) => {
                permit.finish(Call::Succeeded, now());
                self.show_breaker();
                Some(it)
            }
            Err(failure) => {
                permit.finish(Call::Failed, now());
                if self.breaker.state() != State::Closed {
                    self.client.look_again();
                }
                self.show_breaker();
                self.note(failure);
                None
            }
        }
    }

    fn note(&self, Failure(error_type): Failure) {
        let cache = self.name;
        FAILURES
            .get_or_create(&FailureLabels { cache, error_type })
            .inc();
    }

    fn show_breaker(&self) {
        let label = CacheLabel { cache: self.name };
        let open = i64::from(self.breaker.state() != State::Closed);
        BREAKER_OPEN.get_or_create(&label).set(open);
    }
}

/// The breaker's clock, which tests can stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Client {
    /// The server may be somewhere else by now. Redis' client resolves the name whenever it connects.
    fn look_again(&self) {
        if let Self::Memcached(server) = self {
            server.look_again();
        }
    }

    fn system(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Memcached(_) => "memcached",
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Redis(manager) => {
                let mut connection = manager.clone();
                let mut command = redis::cmd("GET");
                let found = command.arg(key).query_async(&mut connection);
                found.await.map_err(|_| Failure("redis"))
            }
            Self::Memcached(server) => {
                let found = server.client().ok_or(UNRESOLVED)?.get(key).send().await;
                let found = found.map_err(|_| Failure("memcached"))?;
                Ok(found.value)
            }
        }
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Failure> {
        match self {
            Self::Redis(manager) => {
                let mut connection = manager.clone();
                let mut command = redis::cmd("SET");
                command.arg(key).arg(value).arg("EX").arg(ttl.as_secs());
                let set = command.query_async(&mut connection);
                set.await.map_err(|_| Failure("redis"))
            }
            Self::Memcached(server) => {
                let client = server.client().ok_or(UNRESOLVED)?;
                let set = client.set(key, value).ttl(ttl).send().await;
                set.map(drop).map_err(|_| Failure("memcached"))
            }
        }
    }

    async fn delete(&self, key: &str) -> Result<(), Failure> {
        match self {
            Self::Redis(manager) => {
                let mut connection = manager.clone();
                let mut command = redis::cmd("DEL");
                let gone = command.arg(key).query_async(&mut connection);
                gone.await.map_err(|_| Failure("redis"))
            }
            Self::Memcached(server) => {
                let client = server.client().ok_or(UNRESOLVED)?;
                let gone = client.delete(key).send().await;
                gone.map(drop).map_err(|_| Failure("memcached"))
            }
        }
    }
}
