//! What orders does when it hears how stock and payment went.

use chassis::Error;
use messaging::{Event, Messaging};

use crate::{Store, order};

/// Confirms or cancels; an event that decides nothing is let pass.
pub(crate) async fn handle(store: Store, messaging: Messaging, event: Event) -> Result<(), Error> {
    match order::verdict(&event.read()?) {
        Some(verdict) => store.end(&messaging, &event, verdict).await,
        None => Ok(()),
    }
}
