//! Looks around: the list, sometimes of one category, then one to three products, popular ones more often.

use std::sync::Arc;

use api::{CATEGORIES, ProductPage, ProductWithAvailability, product_id};
use goose::prelude::*;

use crate::engine::{
    mix::Persona,
    request::Request,
    state::Engine,
    visit::{Visit, parse},
};

/// Milliseconds between an answer and the next request.
const THINK: std::ops::Range<u64> = 50..150;

pub(crate) fn scenario(engine: &Arc<Engine>) -> Scenario {
    scenario!("browser")
        .register_transaction(engine.on_start())
        .register_transaction(engine.arrival(Persona::Browser))
        .register_transaction(transaction!(browse).set_name("browse"))
}

async fn browse(user: &mut GooseUser) -> TransactionResult {
    let Some(mut visit) = Visit::of(user) else {
        return Ok(());
    };
    let path = if visit.chance(0.3) {
        let category = CATEGORIES[visit.choose(0..CATEGORIES.len())];
        format!("/products?category={category}")
    } else {
        "/products".to_owned()
    };
    let request = Request::get("/products", path);
    visit.send(user, request, a_full_page).await?;
    for _ in 0..visit.choose(1..4) {
        visit.think(THINK).await;
        let id = product_id(visit.popular_product());
        let is_it = |body: &[u8]| {
            let product: ProductWithAvailability = parse(body)?;
            if product.product.id == id {
                Ok(())
            } else {
                Err(format!("requested {id}, got {}", product.product.id))
            }
        };
        let request = Request::get("/products/{id}", format!("/products/{id}"));
        visit.send(user, request, is_it).await?;
    }
    Ok(())
}

fn a_full_page(body: &[u8]) -> Result<(), String> {
    let page: ProductPage = parse(body)?;
    if page.items.is_empty() {
        return Err("the list is empty".into());
    }
    Ok(())
}
