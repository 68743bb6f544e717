//! The way of an order into the shop: answered before, priced, placed, and told whoever asked at the same moment.

use api::{NewOrder, Order, UserId};
use chassis::Error;

use crate::{State, order};

/// An order that somebody wants to place, under which key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement<'a> {
    pub(crate) user_id: &'a UserId,
    pub(crate) key: &'a str,
    pub(crate) order: &'a NewOrder,
}

impl State {
    /// Places an order once, however often it is asked for under its key, and answers the same each time.
    pub(crate) async fn place(&self, placement: Placement<'_>) -> Result<Order, Error> {
        if let Some(order) = self.store.answered(placement).await? {
            return Ok(order);
        }
        let prices = self.prices.of(placement.order).await?;
        let (items, total_cents) = order::price(placement.order, &prices)
            .map_err(|it| Error::Unprocessable(it.to_string()))?;
        if let Some(order) = self.store.place(placement, items, total_cents).await? {
            tracing::info!(order_id = %order.id, total_cents = total_cents.0, "order placed");
            return Ok(order);
        }
        // The same request twice at once: the other one was first.
        let order = self.store.answered(placement).await?;
        order.ok_or_else(|| {
            Error::Conflict(
                "another request with this Idempotency-Key is in progress; try again".into(),
            )
        })
    }
}
