//! Hashing passwords, off the request threads and within limits.
//!
//! A hash costs 19 MiB and some 20 ms of a core on purpose, so it is what an attacker would exhaust first. No more run at
//! once than there are cores, few may wait, and whoever comes then is told to come back.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context as _;
use chassis::{Error, Host};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Semaphore;

use crate::stretch;

static PENDING: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Passwords being hashed or waiting to be hashed";
    telemetry::register(
        telemetry::names::PASSWORD_HASHES_PENDING,
        help,
        Gauge::default(),
    )
});

/// Hashes passwords and compares them with their hashes; cloning shares its limits.
#[derive(Debug, Clone)]
pub struct Hasher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// One for each hash that may run or wait.
    places: Arc<Semaphore>,
    /// One for each hash that may run.
    cores: Arc<Semaphore>,
    capacity: usize,
    runs: AtomicU64,
}

impl Hasher {
    /// Runs `concurrency` hashes at once and lets `queue` more wait.
    pub fn new(concurrency: NonZeroUsize, queue: usize) -> Self {
        let concurrency = concurrency.get().min(Semaphore::MAX_PERMITS);
        let capacity = concurrency.saturating_add(queue);
        let capacity = capacity.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            places: Arc::new(Semaphore::new(capacity)),
            cores: Arc::new(Semaphore::new(concurrency)),
            capacity,
            runs: AtomicU64::new(0),
        }))
    }

    /// How many hashes have begun. It shows that two answers cost the same, which no clock can.
    pub fn runs(&self) -> u64 {
        self.0.runs.load(Ordering::Relaxed)
    }

    /// Has `/metrics` say how many passwords are being hashed or wait for it.
    pub(crate) fn watch(&self, host: &Host) {
        let counted = self.clone();
        host.gauge(move || {
            counted.report();
            std::future::ready(())
        });
    }

    fn report(&self) {
        let pending = self.0.capacity - self.0.places.available_permits();
        PENDING.set(pending.try_into().unwrap_or(i64::MAX));
    }

    /// The hash of `password` with a salt of its own, as a PHC string.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        self.run(move || stretch::hash(&password)).await
    }

    /// Whether `password` is the one of `hash`. Without a hash it is not, and costs the same.
    pub(crate) async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        self.run(move || {
            let matches = stretch::matches(&password, hash.as_deref().unwrap_or(stretch::NOBODYS))?;
            Ok(matches && hash.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.0.places).try_acquire_owned();
        let place = place.map_err(|_| Error::Unavailable("password hashing"))?;
        let core = Arc::clone(&self.0.cores).acquire_owned().await;
        let core = core.expect("the semaphore is never closed");
        self.0.runs.fetch_add(1, Ordering::Relaxed);
        let hashed = tokio::task::spawn_blocking(move || {
            // Held to the end of the work even if its caller goes away: that does not stop it.
            let _held = (place, core);
            work()
        });
        let hashed = hashed.await.context("hash a password")?;
        Ok(hashed.context("hash a password")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    #[tokio::test]
    async fn only_the_right_password_matches_and_each_try_is_one_hash() {
        let hasher = Hasher::new(ONE, 0);
        let hash = hasher.hash("correct horse battery".into()).await.unwrap();
        let verify = async |password: &str, hash| hasher.verify(password.into(), hash).await;
        assert!(
            verify("correct horse battery", Some(hash.clone()))
                .await
                .unwrap()
        );
        assert_eq!(hasher.runs(), 2);
        assert!(!verify("correct horse", Some(hash)).await.unwrap());
        assert_eq!(hasher.runs(), 3);
        assert!(!verify("correct horse battery", None).await.unwrap());
        assert_eq!(hasher.runs(), 4);
    }

    #[tokio::test]
    async fn one_runs_one_waits_and_the_next_is_told_to_come_back() {
        let hasher = Hasher::new(ONE, 1);
        let busy = Arc::clone(&hasher.0.cores).acquire_owned().await.unwrap();
        let [mut first, mut second] = [(); 2].map(|()| Box::pin(hasher.hash("x".into())));
        for waiting in [&mut first, &mut second] {
            assert!(futures_util::poll!(waiting).is_pending());
        }
        let third = hasher.hash("x".into()).await;
        assert!(matches!(third, Err(Error::Unavailable(_))), "{third:?}");
        drop(busy);
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_ok() && second.is_ok());
        assert!(hasher.hash("x".into()).await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn a_hash_that_cannot_be_read_is_our_fault() {
        let hasher = Hasher::new(ONE, 0);
        let broken = hasher.verify("x".into(), Some("broken".into())).await;
        assert!(matches!(broken, Err(Error::Internal(_))), "{broken:?}");
    }
}
