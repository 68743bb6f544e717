//! What becomes of a cache without its protections: experiments show the harm with them off.

use super::*;

/// What every cache does.
pub(super) async fn suite(url: &Url) {
    without_coalescing_each_waits_for_a_load_of_its_own(url).await;
    without_invalidation_a_value_stays_until_it_expires(url).await;
}

async fn without_coalescing_each_waits_for_a_load_of_its_own(url: &Url) {
    let alone = Options {
        ttl: Duration::ZERO,
        coalescing: Switch::Off,
        ..OPTIONS
    };
    let (cache, key) = (open(url, alone).await, fresh_key());
    let together = Arc::new(tokio::sync::Barrier::new(3));
    let load = || {
        let together = Arc::clone(&together);
        async move {
            // No load ends before all are under way.
            together.wait().await;
            Ok(7)
        }
    };
    let get = || cache.get_or_load(&key, load());
    let (a, b, c) = tokio::join!(get(), get(), get());
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (7, 7, 7));
    // What is no longer fresh is not served meanwhile.
    assert_eq!(cache.get_or_load(&key, answer(8)).await.unwrap(), 8);
}

async fn without_invalidation_a_value_stays_until_it_expires(url: &Url) {
    let deaf = Options {
        invalidation: Switch::Off,
        ..OPTIONS
    };
    let (cache, key) = (open(url, deaf).await, fresh_key());
    assert_eq!(cache.get_or_load(&key, answer(1)).await.unwrap(), 1);
    cache.invalidate(&key, 2).await;
    cache.invalidate_all();
    assert_eq!(cache.get_or_load(&key, answer(2)).await.unwrap(), 1);
}
