//! What orders does when it hears how stock and payment went.

use api::Event;
use chassis::Error;

use crate::{State, order};

/// Confirms or cancels; an event that decides nothing is let pass.
pub(crate) async fn handle(State { store, .. }: State, event: Event) -> Result<(), Error> {
    match order::verdict(&event.fact) {
        Some(verdict) => store.end(&event, verdict).await,
        None => Ok(()),
    }
}
