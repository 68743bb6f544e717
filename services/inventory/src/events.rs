//! What the inventory does when it hears of orders.

use api::{Event, Fact};
use chassis::Error;
use messaging::Messaging;

use crate::Store;

/// Puts aside, gives back or sells; an event that is none of its business is let pass.
pub(crate) async fn handle(store: Store, messaging: Messaging, event: Event) -> Result<(), Error> {
    match &event.fact {
        Fact::OrderPlaced(order) => store.reserve(&messaging, &event, order).await,
        Fact::OrderConfirmed {} => store.sell(&messaging, &event).await,
        Fact::OrderCancelled { .. } => store.release(&messaging, &event).await,
        _ => Ok(()),
    }
}
