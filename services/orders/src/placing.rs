//! The way of an order into the shop: answered before, priced, placed, and told whoever asked at the same moment.

use std::time::Duration;

use api::{Currency, NewOrder, Order, OrderStatus, PlacedOrder, UserId};
use chassis::{Error, new_id};

use crate::{AnswerWhen, State, order};

/// How often it is looked whether an order is final, where somebody waits for that.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An order that somebody wants to place, under which key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement<'a> {
    pub(crate) user_id: &'a UserId,
    pub(crate) key: &'a str,
    pub(crate) order: &'a NewOrder,
    /// Of all that was sent.
    pub(crate) fingerprint: &'a str,
}

impl State {
    /// Places an order once, however often it is asked for under its key, and answers the same each time; later, where it is answered
    /// when it is final.
    pub(crate) async fn place(&self, placement: Placement<'_>) -> Result<Order, Error> {
        let order = self.taken(placement).await?;
        match self.answer_when {
            AnswerWhen::Placed => Ok(order),
            AnswerWhen::Final => {
                let end = self.end_of(placement.user_id, order);
                chassis::elsewhere(end).await
            }
        }
    }

    /// The order when it is no longer pending, which others decide.
    async fn end_of(&self, user_id: &UserId, mut order: Order) -> Result<Order, Error> {
        while order.status == OrderStatus::Pending {
            tokio::time::sleep(LOOK_EVERY).await;
            order = self.store.get(user_id, &order.id).await?;
        }
        Ok(order)
    }

    async fn taken(&self, placement: Placement<'_>) -> Result<Order, Error> {
        if let Some(order) = self.store.answered(placement).await? {
            return Ok(order);
        }
        let prices = self.prices.of(placement.order).await?;
        let (items, total_cents) = order::price(placement.order, &prices)
            .map_err(|it| Error::Unprocessable(it.to_string()))?;
        let id = new_id("o")
            .try_into()
            .expect("`o-` and 24 hexadecimal digits");
        // From here on nobody but payments can read it.
        let card = self.card_key.seal(&placement.order.card_number, &id);
        let placed = PlacedOrder {
            items,
            total_cents,
            // The catalogue's.
            currency: Currency::Eur,
            card,
        };
        if let Some(order) = self.store.place(placement, id, placed).await? {
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
