//! What any replica changes, every replica forgets.

use api::{Fact, Product};
use cache::Cache;
use messaging::Overheard;

/// Makes `cache` forget what has changed, or all of it if that may have been missed.
pub(crate) async fn forget(cache: Cache<Product>, heard: Overheard) {
    match heard {
        Overheard::Event(event) => {
            if let Fact::ProductChanged(product) = &event.fact {
                cache.invalidate(product.id.as_str(), product.version).await;
            }
        }
        Overheard::Gap => cache.invalidate_all(),
    }
}
