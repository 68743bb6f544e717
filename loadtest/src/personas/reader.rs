//! Looks at one product, a popular one more often, and at nothing else: arrivals of readers are look-ups of products, so that look-ups
//! are independent of each other as arrivals are.

use std::sync::Arc;

use api::{ProductWithAvailability, product_id};
use goose::prelude::*;

use crate::engine::{
    mix::Persona,
    request::Request,
    state::Engine,
    visit::{Visit, parse},
};

pub(crate) fn scenario(engine: &Arc<Engine>) -> Scenario {
    scenario!("reader")
        .register_transaction(engine.on_start())
        .register_transaction(engine.arrival(Persona::Reader))
        .register_transaction(transaction!(read).set_name("read"))
}

async fn read(user: &mut GooseUser) -> TransactionResult {
    let Some(mut visit) = Visit::of(user) else {
        return Ok(());
    };
    let id = product_id(visit.popular_product());
    let path = format!("/products/{id}");
    let is_it = |body: &[u8]| {
        let page: ProductWithAvailability = parse(body)?;
        if page.product.id == id {
            Ok(page.product)
        } else {
            Err(format!("requested {id}, got {}", page.product.id))
        }
    };
    let request = Request::get("/products/{id}", path);
    visit.send_product(user, request, is_it).await?;
    Ok(())
}
