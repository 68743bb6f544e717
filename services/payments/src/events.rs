//! What payments does when it hears that an order can be charged, or is off.

use anyhow::Context as _;
use api::{Fact, OrderId};
use chassis::Error;
use messaging::Event;

use crate::State;

/// Charges or refunds; an event that is none of its business is let pass.
pub(crate) async fn handle(state: State, event: Event) -> Result<(), Error> {
    let State {
        store,
        provider,
        card_keys,
    } = state;
    // What named none would stand in the ledger for ever.
    let order_id = event.subject.parse::<OrderId>();
    let order_id = order_id.context("read which order it is about")?;
    match &event.read()? {
        Fact::StockReserved(order) => {
            if store.is_over(&order_id).await? {
                // Cancelled, or charged by an earlier delivery: the provider need not be asked.
                return store.note(&event).await;
            }
            let card = card_keys.open(&order.card, &order_id);
            let card = card.context("open the card number")?;
            // Outside the transaction: nobody may wait for the provider with the database locked.
            let charge = provider.charge(&card, order.total_cents, order.currency);
            store.charge(&event, charge.await?, order.total_cents).await
        }
        Fact::OrderCancelled { .. } => store.cancel(&event).await,
        _ => Ok(()),
    }
}
