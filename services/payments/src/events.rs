//! What payments does when it hears that an order can be charged, or is off.

use api::{Event, Fact};
use chassis::Error;
use messaging::Messaging;

use crate::{Store, provider::Provider};

/// Charges or refunds; an event that is none of its business is let pass.
pub(crate) async fn handle(
    store: Store,
    messaging: Messaging,
    provider: Provider,
    event: Event,
) -> Result<(), Error> {
    match &event.fact {
        Fact::StockReserved(order) => {
            if store.is_over(&event.subject).await? {
                // Cancelled, or charged by an earlier delivery: the provider need not be asked.
                return store.note(&messaging, &event).await;
            }
            // Outside the transaction: nobody may wait for the provider with the database locked.
            let charge = provider
                .charge(&order.card_number, order.total_cents)
                .await?;
            store
                .charge(&messaging, &event, charge, order.total_cents)
                .await
        }
        Fact::OrderCancelled { .. } => store.cancel(&messaging, &event).await,
        _ => Ok(()),
    }
}
