//! Cache-aside in two levels: in this process, and behind it a Redis or Memcached that all replicas share.
//!
//! [`Cache::get_or_load`] reads through: callers who miss share one load, and a value that is no longer fresh is served while one
//! load runs for the next caller. Whoever changes a value calls [`Cache::invalidate`] with its new version, and no load that began
//! before the change brings the old value back. A key that nothing is found for is remembered too, for a moment and apart from the
//! values, so that whoever asks for what does not exist reaches the origin once and pushes nothing out. Losing the shared cache, or
//! finding nonsense there, is a slow path and never an error: each call has a deadline, and a breaker leaves a server alone that fails.
//!
//! **Use it** for values that are read much more often than changed, that may be a little old, and whose key is known. **Do not use
//! it** for what must be read as it was last written, for results of many rows whose changes nobody can name, or in place of
//! an index: a miss costs more than before.
//!
//! ```
//! use std::time::Duration;
//!
//! use cache::{Cache, Options, Url};
//! use chassis::Switch;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let options = Options {
//!     url: Url::Memory, // or "redis://127.0.0.1:6379".parse()
//!     ttl: Duration::from_secs(30),
//!     stale: Duration::from_secs(30),
//!     absent: Duration::from_secs(5),
//!     capacity: 10_000,
//!     timeout: Duration::from_millis(10),
//!     coalescing: Switch::On,
//!     invalidation: Switch::On,
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
//! `chassis` (errors) and `telemetry` (counters of look-ups, loads and invalidations, a sample for each call to the server).

mod counters;
mod memcached;
mod options;
mod remote;
#[cfg(test)]
mod tests;
mod url;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chassis::{Error, Switch, now_ms};
use moka::ops::compute::Op;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use self::{
    counters::{Outcome, Reason, Scope, Source},
    remote::{Kept, Remote},
};
pub use self::{
    options::Options,
    url::{Server, Url},
};

/// Entries live shorter than they may by up to this share, chosen at random, so that what was loaded together does not
/// expire together.
const JITTER: f64 = 0.1;

/// What a value needs to be kept: the shared cache holds it as JSON.
pub trait Cached: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Cached for V {}

/// What tells an older value of a key from a newer one: a number that rises with each change.
pub type Version<V> = fn(&V) -> i64;

/// A value in this process.
#[derive(Debug, Clone)]
struct Entry<V> {
    value: V,
    fresh_until: Instant,
    /// Then it is not served at all, however late it came here.
    stale_until: Instant,
    /// In milliseconds since 1970.
    loaded_at: i64,
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
    /// What was not found, in the words of [`Error::NotFound`], by key. Apart from the values, which those who ask for what does
    /// not exist must not push out.
    absent: moka::future::Cache<String, &'static str>,
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
            absent: in_memory(&options, options.absent),
            remote: Remote::open(name, &options).await?.map(Arc::new),
            options,
        })
    }

    /// The value of `key`, loaded if need be. Calls for the same key share one load: when it fails, all of them fail; when
    /// its caller goes away, the next one takes over. A value that is no longer fresh is returned at once while one load
    /// runs for the next caller. Where a load has ended in [`Error::NotFound`], the next calls end in it without one.
    pub async fn get_or_load(
        &self,
        key: &str,
        load: impl Future<Output = Result<V, Error>> + Send + 'static,
    ) -> Result<V, Arc<Error>> {
        let coalescing = self.options.coalescing == Switch::On;
        if let Some(entry) = self.known(key).await {
            if Instant::now() < entry.fresh_until {
                self.count(Outcome::hit);
                return Ok(entry.value);
            }
            if coalescing {
                self.count(Outcome::stale);
                self.refresh(key, &entry, load);
                return Ok(entry.value);
            }
        }
        if let Some(what) = self.absence(key).await {
            self.count(Outcome::absent);
            return Err(Arc::new(Error::NotFound(what)));
        }
        if !coalescing {
            return self.load_alone(key, load).await;
        }
        let loaded = AtomicBool::new(false);
        let load = async {
            loaded.store(true, Ordering::Relaxed);
            self.fetch(key, None, load).await
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

    /// Forgets the value of `key`, because it has changed and is of this version now, or that there was none. Who asked for it while
    /// an older one was being loaded may still get that; nobody does later.
    pub async fn invalidate(&self, key: &str, version: i64) {
        let known = self.newest.get(key).await;
        if self.options.invalidation == Switch::Off || known.is_some_and(|it| it >= version) {
            return;
        }
        let newer = |old: Option<moka::Entry<String, i64>>| {
            let old = old.map_or(version, moka::Entry::into_value);
            std::future::ready(old.max(version))
        };
        // Before anything is deleted: what is loaded meanwhile is compared with it.
        let entry = self.newest.entry_by_ref(key);
        entry.and_upsert_with(newer).await;
        counters::invalidated(self.name, Scope::key);
        if let Some(remote) = &self.remote {
            remote.delete(key).await;
        }
        self.absent.invalidate(key).await;
        if let Some(entry) = self.entries.get(key).await
            && (self.version)(&entry.value) < version
        {
            self.forget(key, &entry).await;
        }
    }

    /// Forgets every value in this process, because changes may have been missed. What replicas share stays: whoever
    /// changes a value deletes it there.
    pub fn invalidate_all(&self) {
        if self.options.invalidation == Switch::Off {
            return;
        }
        counters::invalidated(self.name, Scope::all);
        self.entries.invalidate_all();
        self.absent.invalidate_all();
    }

    /// The entry of `key`, unless it is known to be of an older version.
    async fn known(&self, key: &str) -> Option<Entry<V>> {
        let entry = self.entries.get(key).await?;
        if Instant::now() >= entry.stale_until || self.is_outdated(key, &entry.value).await {
            self.forget(key, &entry).await;
            return None;
        }
        Some(entry)
    }

    /// Forgets this entry of `key`, and not what somebody may have loaded since.
    async fn forget(&self, key: &str, old: &Entry<V>) {
        let same = |it: moka::Entry<String, Entry<V>>| {
            Arc::ptr_eq(&it.into_value().refreshing, &old.refreshing)
        };
        let remove = |it: Option<moka::Entry<String, Entry<V>>>| {
            std::future::ready(if it.is_some_and(same) {
                Op::Remove
            } else {
                Op::Nop
            })
        };
        let entry = self.entries.entry_by_ref(key);
        entry.and_compute_with(remove).await;
    }

    async fn is_outdated(&self, key: &str, value: &V) -> bool {
        let newest = self.newest.get(key).await;
        newest.is_some_and(|it| (self.version)(value) < it)
    }

    /// What was not found where `key` was looked for, unless it has come to be since.
    async fn absence(&self, key: &str) -> Option<&'static str> {
        let what = self.absent.get(key).await?;
        // A load that began before may have ended after.
        (!self.newest.contains_key(key)).then_some(what)
    }

    fn count(&self, result: Outcome) {
        counters::looked_up(self.name, result);
    }

    /// A load for one caller, whoever else loads the same.
    async fn load_alone(
        &self,
        key: &str,
        load: impl Future<Output = Result<V, Error>>,
    ) -> Result<V, Arc<Error>> {
        let entry = Box::pin(self.fetch(key, None, load)).await;
        self.count(Outcome::miss);
        let entry = entry.map_err(Arc::new)?;
        self.entries.insert(key.to_owned(), entry.clone()).await;
        Ok(entry.value)
    }

    /// From the shared cache, if that has something newer than the `old` entry, or from the origin and then into the shared cache.
    async fn fetch(
        &self,
        key: &str,
        old: Option<&Entry<V>>,
        load: impl Future<Output = Result<V, Error>>,
    ) -> Result<Entry<V>, Error> {
        let reason = old.map_or(Reason::miss, |_| Reason::refresh);
        if let Some(remote) = &self.remote
            && let Some(kept) = remote.get::<V>(key).await
            && kept.age() < self.options.ttl
            && old.is_none_or(|old| kept.loaded_at > old.loaded_at)
            && !self.is_outdated(key, &kept.value).await
        {
            counters::loaded(self.name, reason, Source::shared);
            return Ok(self.entry(kept));
        }
        let loaded = load.await;
        counters::loaded(self.name, reason, Source::origin);
        if let (Err(Error::NotFound(what)), false) = (&loaded, self.options.absent.is_zero()) {
            self.absent.insert(key.to_owned(), what).await;
        }
        let kept = Kept {
            loaded_at: now_ms(),
            value: loaded?,
        };
        if let Some(remote) = &self.remote
            && !self.is_outdated(key, &kept.value).await
        {
            remote.set(key, &kept).await;
        }
        Ok(self.entry(kept))
    }

    fn entry(&self, kept: Kept<V>) -> Entry<V> {
        let ttl = self.options.ttl.mul_f64(1.0 - JITTER * fastrand::f64());
        let (now, age) = (Instant::now(), kept.age());
        Entry {
            fresh_until: now + ttl.saturating_sub(age),
            stale_until: now + self.options.life().saturating_sub(age),
            loaded_at: kept.loaded_at,
            value: kept.value,
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
        let (cache, key, old) = (self.clone(), key.to_owned(), old.clone());
        let work = async move {
            match cache.fetch(&key, Some(&old), load).await {
                Ok(entry) => cache.entries.insert(key, entry).await,
                Err(Error::NotFound(_)) => cache.entries.invalidate(&key).await,
                Err(error) => {
                    tracing::warn!(cache = cache.name, %error, "a stale value stays for now");
                    old.refreshing.store(false, Ordering::Relaxed);
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
