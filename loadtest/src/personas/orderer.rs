//! Orders one product, a popular one more often, with a good card, and goes: whoever is told that the order is taken need not wait for
//! what becomes of it.

use std::sync::Arc;

use api::{CardNumber, GOOD_CARD, NewItem, NewOrder, product_id};
use goose::prelude::*;

use super::buyer::in_stock;
use crate::engine::{mix::Persona, request::Request, state::Engine, visit::Visit};

pub(crate) fn scenario(engine: &Arc<Engine>) -> Scenario {
    scenario!("orderer")
        .register_transaction(engine.on_start())
        .register_transaction(engine.arrival(Persona::Orderer))
        .register_transaction(transaction!(order).set_name("order"))
}

async fn order(user: &mut GooseUser) -> TransactionResult {
    let Some(mut visit) = Visit::of(user) else {
        return Ok(());
    };
    let new = NewOrder {
        items: vec![NewItem {
            product_id: product_id(in_stock(&mut visit)),
            quantity: 1,
        }],
        card_number: CardNumber(GOOD_CARD.to_owned()),
    };
    let request = Request::post("/orders", &new).keyed(visit.key());
    let request = request.authorized(visit.token());
    visit.send_order(user, request, true).await?;
    Ok(())
}
