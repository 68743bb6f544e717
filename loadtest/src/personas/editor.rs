//! Changes the price of one product, a popular one more often, as the shop's admin.

use std::sync::Arc;

use api::{Cents, Product, ProductChange, product_id};
use goose::prelude::*;

use crate::engine::{
    mix::Persona,
    request::Request,
    state::Engine,
    visit::{Visit, parse},
};

/// In cents.
const PRICES: std::ops::Range<usize> = 100..10_000;

pub(crate) fn scenario(engine: &Arc<Engine>) -> Scenario {
    scenario!("editor")
        .register_transaction(engine.on_start())
        .register_transaction(engine.arrival(Persona::Editor))
        .register_transaction(transaction!(edit).set_name("edit"))
}

async fn edit(user: &mut GooseUser) -> TransactionResult {
    let Some(mut visit) = Visit::of(user) else {
        return Ok(());
    };
    let path = format!("/products/{}", product_id(visit.popular_product()));
    let price = i64::try_from(visit.choose(PRICES)).unwrap_or(i64::MAX);
    let change = ProductChange {
        price_cents: Some(Cents(price)),
        ..ProductChange::default()
    };
    let request = Request::patch("/products/{id}", path, &change).authorized(visit.admin());
    let changed = |body: &[u8]| parse::<Product>(body);
    visit.send_product(user, request, changed).await?;
    Ok(())
}
