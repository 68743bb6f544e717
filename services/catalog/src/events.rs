//! What any replica changes, every replica forgets.

use api::Fact;
use messaging::Overheard;

use crate::State;

/// Makes the cache forget what has changed, or all of it if that may have been missed.
pub(crate) async fn handle(State { store, .. }: State, heard: Overheard) {
    match heard {
        Overheard::Event(event) => match event.read() {
            Ok(Fact::ProductChanged(product)) => {
                let (key, version) = (product.id.as_str(), product.version);
                store.cache.invalidate(key, version).await;
            }
            Ok(_) => (),
            Err(error) => {
                // It might as well not have been heard.
                error.log();
                store.cache.invalidate_all();
            }
        },
        Overheard::Gap => store.cache.invalidate_all(),
    }
}
