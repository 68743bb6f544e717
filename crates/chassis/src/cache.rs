//! A cache that reads through, chosen by URL. Losing it is a slow path and never an error.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family},
};

use crate::{Error, config::scheme};

/// Which cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUrl {
    /// `memory:`, one for each process.
    Memory,
}

impl FromStr for CacheUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match scheme(text) {
            ("memory", "") => Ok(Self::Memory),
            _ => Err(format!("expected memory:, found {text:?}")),
        }
    }
}

impl fmt::Display for CacheUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
        }
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
    miss,
    coalesced,
}

static REQUESTS: LazyLock<Family<Labels, Counter>> = LazyLock::new(|| {
    let help = "Look-ups by what became of them: a coalesced one waited for the load of another";
    telemetry::register(telemetry::names::CACHE_REQUESTS, help, Family::default())
});

/// Values of one kind by key; cloning shares them.
#[derive(Debug, Clone)]
pub enum Cache<V: Clone + Send + Sync + 'static> {
    /// In this process, bounded by the number of entries (moka).
    Memory {
        /// The label of its metrics.
        name: &'static str,
        /// The entries.
        entries: moka::future::Cache<String, V>,
    },
}

impl<V: Clone + Send + Sync + 'static> Cache<V> {
    /// The cache at `url`, holding at most `capacity` entries for `ttl` each. `name` labels its metrics.
    pub fn open(url: CacheUrl, name: &'static str, ttl: Duration, capacity: u64) -> Self {
        let CacheUrl::Memory = url;
        let entries = moka::future::Cache::builder()
            .max_capacity(capacity)
            .time_to_live(ttl)
            .build();
        Self::Memory { name, entries }
    }

    /// The value of `key`, loaded if need be. Calls for the same key share one load: when it fails, all of them fail; when
    /// its caller goes away, the next one takes over.
    pub async fn get_or_load(
        &self,
        key: &str,
        load: impl Future<Output = Result<V, Error>>,
    ) -> Result<V, Arc<Error>> {
        let Self::Memory { name, entries } = self;
        let count = |result| {
            REQUESTS
                .get_or_create(&Labels {
                    cache: name,
                    result,
                })
                .inc()
        };
        if let Some(value) = entries.get(key).await {
            count(Outcome::hit);
            return Ok(value);
        }
        let loaded = AtomicBool::new(false);
        let load = async {
            loaded.store(true, Ordering::Relaxed);
            load.await
        };
        let value = entries.try_get_with_by_ref(key, load).await;
        count(if loaded.load(Ordering::Relaxed) {
            Outcome::miss
        } else {
            Outcome::coalesced
        });
        value
    }

    /// Forgets `key`, because its value has changed. A load that began before the change may still bring the old value
    /// back; it then lives for one TTL at most.
    pub async fn invalidate(&self, key: &str) {
        let Self::Memory { entries, .. } = self;
        entries.invalidate(key).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    fn cache() -> Cache<u32> {
        Cache::open(CacheUrl::Memory, "test", Duration::from_mins(1), 10)
    }

    #[tokio::test]
    async fn concurrent_loads_of_one_key_are_one() {
        let (cache, loads, go) = (cache(), AtomicUsize::new(0), Notify::new());
        let load = async || {
            loads.fetch_add(1, Ordering::Relaxed);
            go.notified().await;
            Ok(7)
        };
        let get = || cache.get_or_load("key", load());
        let release = async {
            tokio::task::yield_now().await;
            go.notify_one();
        };
        let (a, b, c, ()) = tokio::join!(get(), get(), get(), release);
        assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (7, 7, 7));
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failed_load_is_not_kept_and_an_invalidated_value_is_loaded_anew() {
        let cache = cache();
        let failed = cache
            .get_or_load("key", async { Err(Error::Timeout) })
            .await;
        assert!(matches!(*failed.unwrap_err(), Error::Timeout));
        assert_eq!(cache.get_or_load("key", async { Ok(1) }).await.unwrap(), 1);
        assert_eq!(cache.get_or_load("key", async { Ok(2) }).await.unwrap(), 1);
        cache.invalidate("key").await;
        assert_eq!(cache.get_or_load("key", async { Ok(2) }).await.unwrap(), 2);
    }
}
