//! What orders does when it hears how stock and payment went.

use chassis::Error;
use messaging::Event;

use crate::{State, order};

/// Confirms or cancels; an event that decides nothing is let pass.
pub(crate) async fn handle(State { store, .. }: State, event: Event) -> Result<(), Error> {
    match order::verdict(&event.read()?) {
        Some(verdict) => store.end(&event, verdict).await,
        None => Ok(()),
    }
}
