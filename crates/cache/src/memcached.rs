//! Memcached by name: its client resolves a name once, but the address behind it may become another one.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use memcache::exp::{AsyncMetaClient, MetaClientBuilder};

/// How long a service waits for the address when it starts; then it does without.
const START: Duration = Duration::from_secs(2);
/// Connections to the server at most.
const MAX_CONNECTIONS: usize = 64;

/// The server at an address; cloning shares it.
#[derive(Clone)]
pub(super) struct Memcached(Arc<Shared>);

struct Shared {
    address: String,
    /// The longest a call may take.
    timeout: Duration,
    /// Of the last time the address could be resolved.
    client: Mutex<Option<AsyncMetaClient>>,
    looking: AtomicBool,
}

impl Memcached {
    /// Resolves the address. One that cannot be resolved now may be later, and is no error.
    pub(super) async fn open(address: &str, timeout: Duration) -> Self {
        let it = Self(Arc::new(Shared {
            address: address.to_owned(),
            timeout,
            client: Mutex::default(),
            looking: AtomicBool::new(true),
        }));
        let looking = it.clone();
        let found = tokio::spawn(async move { looking.look().await });
        _ = tokio::time::timeout(START, found).await;
        it
    }

    /// The client, if the address could be resolved so far.
    pub(super) fn client(&self) -> Option<AsyncMetaClient> {
        self.known().clone()
    }

    /// Resolves the address anew beside the calls, whose deadline may be too short for that.
    pub(super) fn look_again(&self) {
        if !self.0.looking.swap(true, Ordering::Relaxed) {
            let it = self.clone();
            tokio::spawn(async move { it.look().await });
        }
    }

    async fn look(&self) {
        let address = &self.0.address;
        let builder = MetaClientBuilder::new()
            .connect_timeout(Some(self.0.timeout))
            .io_timeout(Some(self.0.timeout))
            .max_connections(Some(MAX_CONNECTIONS));
        match builder.connect_async(address.as_str()).await {
            Ok(client) => *self.known() = Some(client),
            Err(error) => tracing::warn!(address, %error, "cache address not resolved"),
        }
        self.0.looking.store(false, Ordering::Relaxed);
    }

    fn known(&self) -> MutexGuard<'_, Option<AsyncMetaClient>> {
        self.0.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_looked_up_again_and_again() {
        let server = Memcached::open("127.0.0.1:1", Duration::from_secs(1)).await;
        for _ in 0..2 {
            assert!(server.known().take().is_some());
            server.look_again();
            while server.client().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}
