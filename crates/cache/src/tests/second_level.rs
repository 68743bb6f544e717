//! What a cache does that replicas share, on real servers.

use super::*;

fn tell(text: &str) {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}").unwrap();
}

/// What the server says of itself.
async fn version(url: &Url) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (address, question) = match url {
        Url::Memory => return "in memory".into(),
        Url::Redis(place) => (place.address.as_str(), "INFO server\r\n"),
        Url::Memcached(place) => (place.address.as_str(), "version\r\n"),
    };
    let mut server = tokio::net::TcpStream::connect(address).await.unwrap();
    server.write_all(question.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let length = server.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    let mut lines = answer.lines();
    let line = lines.find(|it| it.to_lowercase().contains("version"));
    line.unwrap_or("a server that does not say its version")
        .to_owned()
}

/// What a shared cache does beside that.
async fn shared_suite(url: &Url) {
    suite(url).await;
    what_one_replica_loaded_the_others_find(url).await;
    garbage_is_a_miss_and_is_written_over(url).await;
    whoever_has_another_prefix_finds_nothing(url).await;
    an_old_value_that_another_replica_has_shared_is_not_taken(url).await;
    a_refresh_takes_from_the_others_only_what_is_newer_than_its_own(url).await;
    let version = version(url).await;
    tell(&format!(
        "{url}, {version}: what every cache does, and five behaviours of a shared one"
    ));
}

async fn what_one_replica_loaded_the_others_find(url: &Url) {
    let (one, other, key) = (
        open(url, OPTIONS).await,
        open(url, OPTIONS).await,
        fresh_key(),
    );
    assert_eq!(one.get_or_load(&key, answer(1)).await.unwrap(), 1);
    assert_eq!(other.get_or_load(&key, answer(2)).await.unwrap(), 1);
    one.invalidate(&key, 3).await;
    let third = open(url, OPTIONS).await;
    assert_eq!(third.get_or_load(&key, answer(3)).await.unwrap(), 3);
}

async fn whoever_has_another_prefix_finds_nothing(url: &Url) {
    let (ours, key) = (open(url, OPTIONS).await, fresh_key());
    assert_eq!(ours.get_or_load(&key, answer(1)).await.unwrap(), 1);
    let theirs: Url = format!("{url}?prefix=theirs").parse().unwrap();
    let theirs = open(&theirs, OPTIONS).await;
    assert_eq!(theirs.get_or_load(&key, answer(2)).await.unwrap(), 2);
    let again = open(url, OPTIONS).await;
    assert_eq!(again.get_or_load(&key, answer(3)).await.unwrap(), 1);
}

async fn garbage_is_a_miss_and_is_written_over(url: &Url) {
    let key = fresh_key();
    // A text where a number is expected: another version's value, say.
    let options = Options {
        url: url.clone(),
        ..OPTIONS
    };
    let vandal = Remote::open("test", &options).await.unwrap().unwrap();
    let nonsense = Kept {
        loaded_at: now_ms(),
        value: "not a number".to_owned(),
    };
    vandal.set(&key, &nonsense).await;
    let kept = vandal.get::<String>(&key).await.unwrap();
    assert_eq!(kept.value, "not a number");
    let cache = open(url, OPTIONS).await;
    assert_eq!(cache.get_or_load(&key, answer(5)).await.unwrap(), 5);
    assert_eq!(vandal.get::<u32>(&key).await.unwrap().value, 5);
}

async fn an_old_value_that_another_replica_has_shared_is_not_taken(url: &Url) {
    let (one, other, key) = (
        open(url, OPTIONS).await,
        open(url, OPTIONS).await,
        fresh_key(),
    );
    one.invalidate(&key, 2).await;
    // It has not heard of the change yet.
    assert_eq!(other.get_or_load(&key, answer(1)).await.unwrap(), 1);
    assert_eq!(one.get_or_load(&key, answer(2)).await.unwrap(), 2);
    other.invalidate(&key, 2).await;
    assert_eq!(other.get_or_load(&key, answer(2)).await.unwrap(), 2);
}

/// An entry that lives shorter than it may finds itself in the shared cache, where it seems fresh: taken from there again and again, it
/// would be looked for there by every reader, and no entry would live shorter.
async fn a_refresh_takes_from_the_others_only_what_is_newer_than_its_own(url: &Url) {
    let (one, other, key) = (
        open(url, OPTIONS).await,
        open(url, OPTIONS).await,
        fresh_key(),
    );
    assert_eq!(one.get_or_load(&key, answer(1)).await.unwrap(), 1);
    assert_eq!(other.get_or_load(&key, answer(2)).await.unwrap(), 1);
    // Both are no longer fresh; one is the first to be read.
    for cache in [&one, &other] {
        let entry = cache.entries.get(&key).await.unwrap();
        let fresh_until = Instant::now();
        let entry = Entry {
            fresh_until,
            ..entry
        };
        cache.entries.insert(key.clone(), entry).await;
    }
    // So that what it loads is newer, by the clock too.
    tokio::time::sleep(Duration::from_millis(2)).await;
    for (cache, load) in [(&one, 3), (&other, 4)] {
        assert_eq!(cache.get_or_load(&key, answer(load)).await.unwrap(), 1);
        while cache.entries.get(&key).await.unwrap().value != 3 {
            tokio::task::yield_now().await;
        }
    }
}

fn server(variable: &str) -> Url {
    let url = std::env::var(variable);
    let url =
        url.unwrap_or_else(|_| panic!("{variable} is not set: eval \"$(scripts/backends env)\""));
    url.parse().expect("a cache's URL")
}

#[tokio::test]
#[ignore = "needs Redis: scripts/backends up"]
async fn redis() {
    shared_suite(&server("REDIS_URL")).await;
}

#[tokio::test]
#[ignore = "needs Memcached: scripts/backends up"]
async fn memcached() {
    shared_suite(&server("MEMCACHED_URL")).await;
}
