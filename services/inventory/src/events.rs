//! What the inventory does when it hears of orders.

use anyhow::Context as _;
use api::{Fact, OrderId};
use chassis::Error;
use messaging::Event;

use crate::State;

/// Puts aside, gives back or sells; an event that is none of its business is let pass.
pub(crate) async fn handle(State { store }: State, event: Event) -> Result<(), Error> {
    // What named none would stand in the ledger for ever.
    let order_id = event.subject.parse::<OrderId>();
    order_id.context("read which order it is about")?;
    match &event.read()? {
        Fact::OrderPlaced(order) => store.reserve(&event, order).await,
        Fact::OrderConfirmed {} => store.sell(&event).await,
        Fact::OrderCancelled { .. } => store.release(&event).await,
        _ => Ok(()),
    }
}
