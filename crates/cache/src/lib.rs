//! Cache-aside in two levels: in this process, and behind it a Redis or Memcached that all replicas share.
//!
//! [`Cache::get_or_load`] reads through: callers who miss share one load, and a value that is no longer fresh is served while one
//! load runs for the next caller. Whoever changes a value calls [`Cache::invalidate`] with its new version, and no load that began
//! before the change brings the old value back. Losing the shared cache, or finding nonsense there, is a slow path and never an
//! error: each call has a deadline, and a breaker leaves a server alone that fails.
//!
//! **Use it** for values that are read much more often than changed, that may be a little old, and whose key is known. **Do not use
//! it** for what must be read as it was last written, for results of many rows whose changes nobody can name, or in place of
//! an index: a miss costs more than before.
//!
//! ```
//! use std::time::Duration;
//!
//! use cache::{Cache, Options, Url};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let options = Options {
//!     url: Url::Memory, // or "redis://127.0.0.1:6379".parse()
//!     ttl: Duration::from_secs(30),
//!     stale: Duration::from_secs(30),
//!     capacity: 10_000,
//!     timeout: Duration::from_millis(10),
//! };
//! // The value is its own version here.
//! let cache = Cache::open("prices", options, |price: &i64| *price).await?;
//! let first = cache.get_or_load("p-1", async { Ok(5) }).await;
//! assert_eq!(first.unwrap(), 5);
//! let again = cache.get_or_load("p-1", async { unreachable!("it is in memory") }).await;
//! assert_eq!(again.unwrap(), 5);
//! cache.invalidate("p-1", 6).await;
//! let changed = cache.get_or_load("p-1", async { Ok(6) }).await;
//! assert_eq!(changed.unwrap(), 6);
//! # Ok(())
//! # }
//! ```
//!
//! **It costs** moka and the clients of both servers (`redis`, `memcache`), the memory of its entries, and the crates `resilience`,
//! `chassis` (errors) and `telemetry` (a counter for each outcome, a sample for each call to the server).

mod memcached;
mod remote;
#[cfg(test)]
mod tests;
mod url;

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::Error;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use self::remote::Remote;
pub use self::url::{Server, Url};

/// Entries live shorter than they may by up to this share, chosen at random, so that what was loaded together does not
/// expire together.
const JITTER: f64 = 0.1;

/// Where a [`Cache`] is, and how long and how much it holds; flatten it into the service's `Config`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "cache")]
pub struct Options {
    /// Cache: memory:, or with a second level redis://HOST:PORT or memcached://HOST:PORT
    #[arg(
        id = "cache_url",
        long = "cache-url",
        env = "CACHE_URL",
        hide_env_values = true,
        default_value = "memory:",
        help_heading = "Cache",
        value_name = "URL"
    )]
    pub url: Url,
    /// TTL of a cached value
    #[arg(id = "cache_ttl", long = "cache-ttl", env = "CACHE_TTL", default_value = "30s", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Cache")]
    pub ttl: Duration,
    /// How long after its TTL a stale value may be served while a fresh one is loaded
    #[arg(id = "cache_stale", long = "cache-stale", env = "CACHE_STALE", default_value = "30s", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Cache")]
    pub stale: Duration,
    /// Timeout of a call to Redis or Memcached; the value is loaded after it
    #[arg(id = "cache_timeout", long = "cache-timeout", env = "CACHE_TIMEOUT", default_value = "10ms", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Cache")]
    pub timeout: Duration,
    /// Maximum number of values in the memory of each replica
    #[arg(
        id = "cache_capacity",
        long = "cache-capacity",
        env = "CACHE_CAPACITY",
        default_value_t = 10_000,
        help_heading = "Cache",
        value_name = "COUNT"
    )]
    pub capacity: u64,
}

impl Options {
    /// How long a value may be served at all.
    fn life(&self) -> Duration {
        self.ttl + self.stale
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    cache: &'static str,
    result: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the label shows them")]
enum Outcome {
    hit,
    stale,
    miss,
    coalesced,
}

static REQUESTS: LazyLock<Family<Labels, Counter>> = LazyLock::new(|| {
    let help = "Look-ups by result: coalesced ones waited for a load already in progress, stale ones were served \
                while a fresh value was loaded";
    telemetry::register(telemetry::names::CACHE_REQUESTS, help, Family::default())
});

/// What a value needs to be kept: the shared cache holds it as JSON.
pub trait Cached: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Cached for V {}

/// What tells an older value of a key from a newer one: a number that rises with each change.
pub type Version<V> = fn(&V) -> i64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InvalidationLabels {
    cache: &'static str,
    scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the values as the label shows them")]
enum Scope {
    key,
    all,
}

static INVALIDATIONS: LazyLock<Family<InvalidationLabels, Counter>> = LazyLock::new(|| {
    let help =
        "Invalidations: of one value that changed, or of all because changes may have been missed";
    let name = telemetry::names::CACHE_INVALIDATIONS;
    telemetry::register(name, help, Family::default())
});

/// A value in this process.
#[derive(Debug, Clone)]
struct Entry<V> {
    value: V,
    fresh_until: Instant,
    /// Then it is not served at all, however late it came here.
    stale_until: Instant,
    /// Somebody loads a fresh one.
    refreshing: Arc<AtomicBool>,
}

/// Values of one kind by key; cloning shares them.
#[derive(Debug, Clone)]
pub struct Cache<V: Cached> {
    name: &'static str,
    options: Options,
    version: Version<V>,
    entries: moka::future::Cache<String, Entry<V>>,
    /// What is known of the versions of changed values. Older ones are not served, wherever they come from: a load that
    /// began before the change may bring one, or a shared cache that another replica has filled so.
    newest: moka::future::Cache<String, i64>,
    remote: Option<Arc<Remote>>,
}

impl<V: Cached> Cache<V> {
    /// A cache; `name` labels its metrics and begins its keys. A shared cache need not be there yet.
    ///
    /// # Errors
    /// A URL that the client does not understand.
    pub async fn open(
        name: &'static str,
        options: Options,
        version: Version<V>,
    ) -> anyhow::Result<Self> {
        let life = options.life();
        Ok(Self {
            name,
            version,
            entries: in_memory(&options, life),
            // An entry may come a little after it was known to be old.
            newest: in_memory(&options, 2 * life),
            remote: Remote::open(name, &options).await?.map(Arc::new),
            options,
        })
    }

    /// The value of `key`, loaded if need be. Calls for the same key share one load: when it fails, all of them fail; when
    /// its caller goes away, the next one takes over. A value that is no longer fresh is returned at once while one load
    /// runs for the next caller.
    pub async fn get_or_load(
        &self,
        key: &str,
        load: impl Future<Output = Result<V, Error>> + Send + 'static,
    ) -> Result<V, Arc<Error>> {
        if let Some(entry) = self.known(key).await {
            if Instant::now() < entry.fresh_until {
                self.count(Outcome::hit);
            } else {
                self.count(Outcome::stale);
                self.refresh(key, &entry, load);
            }
            return Ok(entry.value);
        }
        let loaded = AtomicBool::new(false);
        let load = async {
            loaded.store(true, Ordering::Relaxed);
            self.fetch(key, load).await
        };
        // The way to the shared cache makes a large future, which a hit should not carry around.
        let entry = Box::pin(self.entries.try_get_with_by_ref(key, load)).await;
        self.count(if loaded.load(Ordering::Relaxed) {
            Outcome::miss
        } else {
            Outcome::coalesced
        });
        Ok(entry?.value)
    }

    /// Forgets the value of `key`, because it has changed and is of this version now. Who asked for it while an older one was
    /// being loaded may still get that; nobody does later.
    pub async fn invalidate(&self, key: &str, version: i64) {
        if self.newest.get(key).await.is_some_and(|it| it >= version) {
            return;
        }
        let newer = |old: Option<moka::Entry<String, i64>>| {
            let old = old.map_or(version, moka::Entry::into_value);
            std::future::ready(old.max(version))
        };
        // Before anything is deleted: what is loaded meanwhile is compared with it.
        let entry = self.newest.entry_by_ref(key);
        entry.and_upsert_with(newer).await;
        self.count_invalidation(Scope::key);
        if let Some(remote) = &self.remote {
            remote.delete(key).await;
        }
        let entry = self.entries.get(key).await;
        if entry.is_some_and(|it| (self.version)(&it.value) < version) {
            self.entries.invalidate(key).await;
        }
    }

    /// Forgets every value in this process, because changes may have been missed. What replicas share stays: whoever
    /// changes a value deletes it there.
    pub fn invalidate_all(&self) {
        self.count_invalidation(Scope::all);
        self.entries.invalidate_all();
    }

    fn count_invalidation(&self, scope: Scope) {
        let cache = self.name;
        let labels = InvalidationLabels { cache, scope };
        INVALIDATIONS.get_or_create(&labels).inc();
    }

    /// The entry of `key`, unless it is known to be of an older version.
    async fn known(&self, key: &str) -> Option<Entry<V>> {
        let entry = self.entries.get(key).await?;
        if Instant::now() >= entry.stale_until || self.is_outdated(key, &entry.value).await {
            self.entries.invalidate(key).await;
            return None;
        }
        Some(entry)
    }

    async fn is_outdated(&self, key: &str, value: &V) -> bool {
        let newest = self.newest.get(key).await;
        newest.is_some_and(|it| (self.version)(value) < it)
    }

    fn count(&self, result: Outcome) {
        let cache = self.name;
        REQUESTS.get_or_create(&Labels { cache, result }).inc();
    }

    /// From the shared cache, or from the origin and then into the shared cache.
    async fn fetch(
        &self,
        key: &str,
        load: impl Future<Output = Result<V, Error>>,
    ) -> Result<Entry<V>, Error> {
        let Some(remote) = &self.remote else {
            return Ok(self.entry(load.await?, Duration::ZERO));
        };
        if let Some((value, age)) = remote.get(key).await
            && age < self.options.ttl
            && !self.is_outdated(key, &value).await
        {
            return Ok(self.entry(value, age));
        }
        let value = load.await?;
        if !self.is_outdated(key, &value).await {
            remote.set(key, &value).await;
        }
        Ok(self.entry(value, Duration::ZERO))
    }

    fn entry(&self, value: V, age: Duration) -> Entry<V> {
        let ttl = self.options.ttl.mul_f64(1.0 - JITTER * fastrand::f64());
        let now = Instant::now();
        Entry {
            value,
            fresh_until: now + ttl.saturating_sub(age),
            stale_until: now + self.options.life().saturating_sub(age),
            refreshing: Arc::default(),
        }
    }

    /// Loads a fresh value of `key` beside the request, unless somebody does so already.
    fn refresh(
        &self,
        key: &str,
        old: &Entry<V>,
        load: impl Future<Output = Result<V, Error>> + Send + 'static,
    ) {
        if old.refreshing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (cache, key) = (self.clone(), key.to_owned());
        let refreshing = Arc::clone(&old.refreshing);
        let work = async move {
            match cache.fetch(&key, load).await {
                Ok(entry) => cache.entries.insert(key, entry).await,
                Err(Error::NotFound(_)) => cache.entries.invalidate(&key).await,
                Err(error) => {
                    tracing::warn!(cache = cache.name, %error, "a stale value stays for now");
                    refreshing.store(false, Ordering::Relaxed);
                }
            }
        };
        tokio::spawn(telemetry::in_context(telemetry::current(), work));
    }
}

fn in_memory<T>(options: &Options, life: Duration) -> moka::future::Cache<String, T>
where
    T: Clone + Send + Sync + 'static,
{
    moka::future::Cache::builder()
        .max_capacity(options.capacity)
        .time_to_live(life)
        .build()
}
