//! What orders does when it hears how stock and payment went.

use api::Event;
use chassis::Error;
use messaging::Messaging;

use crate::{Store, order};

/// Confirms or cancels; an event that decides nothing is let pass.
pub(crate) async fn handle(store: Store, messaging: Messaging, event: Event) -> Result<(), Error> {
    match order::verdict(&event.fact) {
        Some(verdict) => store.end(&messaging, &event, verdict).await,
        None => Ok(()),
    }
}
