//! Keys that nothing is found for.

use super::*;

fn nothing() -> std::future::Ready<Result<u32, Error>> {
    std::future::ready(Err(Error::NotFound("product")))
}

async fn is_absent(
    cache: &Cache<u32>,
    key: &str,
    load: impl Future<Output = Result<u32, Error>> + Send + 'static,
) -> bool {
    let found = cache.get_or_load(key, load).await;
    found.is_err_and(|it| matches!(*it, Error::NotFound("product")))
}

/// What every cache does.
pub(super) async fn suite(url: &Url) {
    what_was_not_found_is_not_looked_for_again_until_it_comes_to_be(url).await;
    a_load_that_began_before_it_came_to_be_does_not_hide_it(url).await;
}

async fn what_was_not_found_is_not_looked_for_again_until_it_comes_to_be(url: &Url) {
    let (cache, key) = (open(url, OPTIONS).await, fresh_key());
    assert!(is_absent(&cache, &key, nothing()).await);
    let never = async { panic!("it is known that there is none") };
    assert!(is_absent(&cache, &key, never).await);
    cache.invalidate(&key, 1).await;
    assert_eq!(cache.get_or_load(&key, answer(1)).await.unwrap(), 1);
    let forgetful = Options {
        absent: Duration::ZERO,
        ..OPTIONS
    };
    let (cache, key) = (open(url, forgetful).await, fresh_key());
    assert!(is_absent(&cache, &key, nothing()).await);
    assert_eq!(cache.get_or_load(&key, answer(1)).await.unwrap(), 1);
}

async fn a_load_that_began_before_it_came_to_be_does_not_hide_it(url: &Url) {
    let (cache, key) = (open(url, OPTIONS).await, fresh_key());
    let (old, held) = held(Err(Error::NotFound("product")));
    let create = held.until(async || cache.invalidate(&key, 1).await);
    let (absent, ()) = tokio::join!(is_absent(&cache, &key, old), create);
    assert!(absent, "it asked before");
    assert_eq!(cache.get_or_load(&key, answer(1)).await.unwrap(), 1);
}

#[tokio::test]
async fn whoever_asks_for_what_does_not_exist_pushes_no_value_out() {
    let cache = open(&Url::Memory, OPTIONS).await;
    assert_eq!(cache.get_or_load("there", answer(1)).await.unwrap(), 1);
    for number in 0..100 * OPTIONS.capacity {
        assert!(is_absent(&cache, &format!("nowhere-{number}"), nothing()).await);
    }
    assert_eq!(cache.get_or_load("there", answer(2)).await.unwrap(), 1);
    cache.absent.run_pending_tasks().await;
    assert!(cache.absent.entry_count() <= OPTIONS.capacity);
}

#[tokio::test]
async fn a_value_that_has_gone_is_not_found_any_more() {
    let short = Options {
        ttl: Duration::ZERO,
        ..OPTIONS
    };
    let (cache, key) = (open(&Url::Memory, short).await, fresh_key());
    assert_eq!(cache.get_or_load(&key, answer(1)).await.unwrap(), 1);
    assert_eq!(cache.get_or_load(&key, nothing()).await.unwrap(), 1);
    while cache.entries.contains_key(&key) {
        tokio::task::yield_now().await;
    }
    let never = async { panic!("it is known that there is none") };
    assert!(is_absent(&cache, &key, never).await);
}

#[tokio::test]
async fn what_may_have_come_to_be_unheard_is_looked_for() {
    let (cache, key) = (open(&Url::Memory, OPTIONS).await, fresh_key());
    assert!(is_absent(&cache, &key, nothing()).await);
    cache.invalidate_all();
    assert_eq!(cache.get_or_load(&key, answer(1)).await.unwrap(), 1);
}
