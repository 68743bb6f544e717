//! What a cache does, whichever it is; and what becomes of it when the shared one misbehaves.

mod absence;
mod second_level;
mod switches;

use std::sync::atomic::AtomicU32;

use tokio::{net::TcpListener, sync::Notify};

use super::*;

const OPTIONS: Options = Options {
    url: Url::Memory,
    ttl: Duration::from_mins(1),
    stale: Duration::from_mins(1),
    absent: Duration::from_mins(1),
    capacity: 10,
    coalescing: Switch::On,
    invalidation: Switch::On,
    // Far longer than in a service: a busy machine must not look like a broken cache.
    timeout: Duration::from_secs(2),
};

async fn open(url: &Url, options: Options) -> Cache<u32> {
    let options = Options {
        url: url.clone(),
        ..options
    };
    Cache::open("test", options, |it| i64::from(*it))
        .await
        .unwrap()
}

/// A key that no other test and no earlier run has.
fn fresh_key() -> String {
    chassis::new_id("k")
}

fn answer(value: u32) -> std::future::Ready<Result<u32, Error>> {
    std::future::ready(Ok(value))
}

async fn concurrent_loads_of_one_key_are_one(url: &Url) {
    let (cache, key) = (open(url, OPTIONS).await, fresh_key());
    let (loads, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let load = || {
        let (loads, go) = (Arc::clone(&loads), Arc::clone(&go));
        async move {
            loads.fetch_add(1, Ordering::Relaxed);
            go.notified().await;
            Ok(7)
        }
    };
    let release = async {
        while loads.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        go.notify_one();
    };
    let get = || cache.get_or_load(&key, load());
    let (a, b, c, ()) = tokio::join!(get(), get(), get(), release);
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (7, 7, 7));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

async fn a_failed_load_is_not_kept_and_an_invalidated_value_is_loaded_anew(url: &Url) {
    let (cache, key) = (open(url, OPTIONS).await, fresh_key());
    let failed = cache.get_or_load(&key, async { Err(Error::Timeout) }).await;
    assert!(matches!(*failed.unwrap_err(), Error::Timeout));
    assert_eq!(cache.get_or_load(&key, answer(1)).await.unwrap(), 1);
    assert_eq!(cache.get_or_load(&key, answer(2)).await.unwrap(), 1);
    cache.invalidate(&key, 2).await;
    assert_eq!(cache.get_or_load(&key, answer(2)).await.unwrap(), 2);
}

/// Holds a load until something else has happened.
struct Held {
    began: Arc<Notify>,
    go: Arc<Notify>,
}

impl Held {
    /// Lets `change` happen once the load has begun, and then lets that end.
    async fn until(self, change: impl AsyncFnOnce()) {
        self.began.notified().await;
        change().await;
        self.go.notify_one();
    }
}

/// A load that ends with `answer` when it is let go.
fn held(answer: Result<u32, Error>) -> (impl Future<Output = Result<u32, Error>>, Held) {
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes) = (Arc::clone(&began), Arc::clone(&go));
    let load = async move {
        begins.notify_one();
        goes.notified().await;
        answer
    };
    (load, Held { began, go })
}

async fn a_load_that_began_before_a_change_does_not_bring_the_old_value_back(url: &Url) {
    let (cache, key) = (open(url, OPTIONS).await, fresh_key());
    let (old, held) = held(Ok(1));
    let change = held.until(async || cache.invalidate(&key, 2).await);
    let (early, ()) = tokio::join!(cache.get_or_load(&key, old), change);
    assert_eq!(early.unwrap(), 1, "it asked before the change");
    let replica = open(url, OPTIONS).await;
    assert_eq!(replica.get_or_load(&key, answer(2)).await.unwrap(), 2);
    assert_eq!(cache.get_or_load(&key, answer(2)).await.unwrap(), 2);
}

async fn what_is_new_already_stays_and_what_was_missed_goes(url: &Url) {
    let (cache, key) = (open(url, OPTIONS).await, fresh_key());
    assert_eq!(cache.get_or_load(&key, answer(3)).await.unwrap(), 3);
    // News of this change and the one before come late, and in the wrong order.
    cache.invalidate(&key, 3).await;
    cache.invalidate(&key, 2).await;
    assert_eq!(cache.entries.get(&key).await.unwrap().value, 3);
    cache.invalidate_all();
    assert!(cache.entries.get(&key).await.is_none());
}

async fn a_stale_value_is_served_while_one_fresh_one_is_loaded(url: &Url) {
    let short = Options {
        ttl: Duration::ZERO,
        ..OPTIONS
    };
    let (cache, key) = (open(url, short).await, fresh_key());
    assert_eq!(cache.get_or_load(&key, answer(1)).await.unwrap(), 1);
    let go = Arc::new(Notify::new());
    let held = Arc::clone(&go);
    let slow = async move {
        held.notified().await;
        Ok(2)
    };
    assert_eq!(cache.get_or_load(&key, slow).await.unwrap(), 1, "at once");
    let never = async { panic!("somebody loads it already") };
    assert_eq!(cache.get_or_load(&key, never).await.unwrap(), 1);
    go.notify_one();
    while cache.entries.get(&key).await.unwrap().value != 2 {
        tokio::task::yield_now().await;
    }
}

/// What every cache does.
async fn suite(url: &Url) {
    concurrent_loads_of_one_key_are_one(url).await;
    a_failed_load_is_not_kept_and_an_invalidated_value_is_loaded_anew(url).await;
    a_stale_value_is_served_while_one_fresh_one_is_loaded(url).await;
    a_load_that_began_before_a_change_does_not_bring_the_old_value_back(url).await;
    what_is_new_already_stays_and_what_was_missed_goes(url).await;
    absence::suite(url).await;
    switches::suite(url).await;
}

#[tokio::test]
async fn memory() {
    suite(&Url::Memory).await;
}

/// Both kinds of shared cache at one address.
fn both(address: std::net::SocketAddr) -> [Url; 2] {
    [
        format!("redis://{address}").parse().unwrap(),
        format!("memcached://{address}").parse().unwrap(),
    ]
}

#[tokio::test]
async fn a_shared_cache_that_never_answers_is_a_slow_path_and_soon_left_alone() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for url in both(silent.local_addr().unwrap()) {
        let impatient = Options {
            timeout: Duration::from_millis(20),
            ..OPTIONS
        };
        let cache = open(&url, impatient).await;
        for number in 0..10 {
            let loaded = cache.get_or_load(&fresh_key(), answer(number)).await;
            assert_eq!(loaded.unwrap(), number, "{url}");
        }
        let remote = cache.remote.as_ref().unwrap();
        assert!(remote.is_left_alone(), "{url}");
    }
}

#[tokio::test]
async fn a_shared_cache_that_is_down_is_a_slow_path() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = both(gone.local_addr().unwrap());
    drop(gone);
    for url in urls {
        let (cache, key) = (open(&url, OPTIONS).await, fresh_key());
        assert_eq!(
            cache.get_or_load(&key, answer(1)).await.unwrap(),
            1,
            "{url}"
        );
        assert_eq!(
            cache.get_or_load(&key, answer(2)).await.unwrap(),
            1,
            "{url}"
        );
        cache.invalidate(&key, 3).await;
        assert_eq!(
            cache.get_or_load(&key, answer(3)).await.unwrap(),
            3,
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_value_is_as_old_here_as_it_was_in_the_shared_cache() {
    let cache = open(&Url::Memory, OPTIONS).await;
    for (age, fresh, served) in [(0, true, true), (90, false, true), (120, false, false)] {
        let entry = cache.entry(Kept {
            loaded_at: now_ms() - 1_000 * age,
            value: 1,
        });
        let key = fresh_key();
        cache.entries.insert(key.clone(), entry).await;
        let known = cache.known(&key).await;
        assert_eq!(known.is_some(), served, "{age} s");
        assert_eq!(
            known.is_some_and(|it| it.fresh_until > Instant::now()),
            fresh,
            "{age} s"
        );
    }
}

#[tokio::test]
async fn a_shared_cache_whose_name_is_unknown_is_a_slow_path() {
    for url in ["redis://nowhere.invalid:1", "memcached://nowhere.invalid:1"] {
        let cache = open(&url.parse().unwrap(), OPTIONS).await;
        for number in 0..10 {
            let loaded = cache.get_or_load(&fresh_key(), answer(number)).await;
            assert_eq!(loaded.unwrap(), number, "{url}");
        }
        assert!(cache.remote.as_ref().unwrap().is_left_alone(), "{url}");
    }
}

#[test]
fn a_url_shows_no_password() {
    let url: Url = "redis://:secret@127.0.0.1:6379".parse().unwrap();
    assert_eq!(url.to_string(), "redis://127.0.0.1:6379");
    for bad in [
        "",
        "memory:x",
        "redis:",
        "memcached://",
        "memcached://cache",
        "memcached://cache:port",
        "memcached://?prefix=a",
        "http://secret",
        "redis://:secret@h:1?prefix=a/b",
        "redis://:secret@h:1?floppy",
    ] {
        let error = bad.parse::<Url>().unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}
