//! Buys something: looks at it, orders it, and asks for the order until it is final. A few pay with a card that is declined,
//! and a few want more of the scarce product than there is.

use std::sync::Arc;

use api::{
    CardNumber, DECLINED_CARD, GOOD_CARD, NewItem, NewOrder, Order, OrderStatus, product_id,
};
use goose::prelude::*;
use tokio::time::{Duration, Instant};

use crate::engine::{mix::Persona, request::Request, state::Engine, visit::Visit};

/// Milliseconds between an answer and the next request.
const THINK: std::ops::Range<u64> = 50..150;
/// Whoever has waited so long for an order comes back another time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an order is sent.
const TRIES: u32 = 4;
/// Milliseconds before it is sent again.
const RETRY_AFTER: std::ops::Range<u64> = 300..700;
/// Seeded with three units, of which nobody can buy four.
const SCARCE: u32 = 13;

pub(crate) fn scenario(engine: &Arc<Engine>) -> Scenario {
    scenario!("buyer")
        .register_transaction(engine.on_start())
        .register_transaction(engine.arrival(Persona::Buyer))
        .register_transaction(transaction!(buy).set_name("buy"))
}

async fn buy(user: &mut GooseUser) -> TransactionResult {
    let Some(mut visit) = Visit::of(user) else {
        return Ok(());
    };
    let (number, quantity, card) = choose(&mut visit);
    let id = product_id(number);
    let request = Request::get("/products/{id}", format!("/products/{id}"));
    visit.send(user, request, |_| Ok(())).await?;
    visit.think(THINK).await;

    let new = NewOrder {
        items: vec![NewItem {
            product_id: id,
            quantity,
        }],
        card_number: CardNumber(card.to_owned()),
    };
    let fair = number != SCARCE && card == GOOD_CARD;
    let Some(placed) = place(user, &mut visit, &new, fair).await? else {
        return Ok(());
    };
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        visit.think(THINK).await;
        let path = format!("/orders/{}", placed.id);
        let request = Request::get("/orders/{id}", path).authorized(visit.token());
        let order = visit.send_order(user, request, fair).await?;
        if order.is_some_and(|it| it.status != OrderStatus::Pending) {
            break;
        }
    }
    Ok(())
}

/// Orders, and tries again under the same key where nobody answers or the answer is an error: that is what the key is for.
async fn place(
    user: &mut GooseUser,
    visit: &mut Visit,
    new: &NewOrder,
    fair: bool,
) -> Result<Option<Order>, Box<TransactionError>> {
    for _ in 0..TRIES {
        let request = Request::post("/orders", new).keyed(visit.key());
        let request = request.authorized(visit.token());
        let placed = visit.send_order(user, request, fair).await?;
        if placed.is_some() {
            return Ok(placed);
        }
        visit.think(RETRY_AFTER).await;
    }
    Ok(None)
}

/// The number of a popular product that there is enough of.
pub(super) fn in_stock(visit: &mut Visit) -> u32 {
    let number = visit.popular_product();
    // Every fiftieth is out of stock, which its page says; the one before it is not. After the last there is none.
    if number.is_multiple_of(50) || number == SCARCE {
        number - 1
    } else {
        number
    }
}

/// Product, units and card.
fn choose(visit: &mut Visit) -> (u32, i64, &'static str) {
    if visit.chance(0.05) {
        return (SCARCE, 4, GOOD_CARD);
    }
    let number = in_stock(visit);
    let card = if visit.chance(0.05) {
        DECLINED_CARD
    } else {
        GOOD_CARD
    };
    (number, 1 + i64::from(visit.chance(0.3)), card)
}
