//! Looks for something: a material and a thing, sometimes mistyped, sometimes within a category; then looks at a hit.

use std::sync::Arc;

use api::{ProductWithAvailability, SearchResults, seed};
use goose::prelude::*;

use super::Persona;
use crate::engine::{
    child::Engine,
    request::Request,
    visit::{Visit, parse},
};

/// Milliseconds between an answer and the next request.
const THINK: std::ops::Range<u64> = 100..300;

pub(crate) fn scenario(engine: &Arc<Engine>) -> Scenario {
    scenario!("searcher")
        .register_transaction(engine.on_start())
        .register_transaction(engine.arrival(Persona::Searcher))
        .register_transaction(transaction!(search).set_name("search"))
}

async fn search(user: &mut GooseUser) -> TransactionResult {
    let Some(mut visit) = Visit::of(user) else {
        return Ok(());
    };
    let wanted = seed::product(visit.popular_product());
    // «Foldable oak bookshelf, black» is looked for as «oak bookshelf».
    let name = wanted.name.split(',').next().unwrap_or_default();
    let mut words = name.split_once(' ').map_or(name, |it| it.1).to_owned();
    if visit.chance(0.2) {
        // A letter of the last word is missing.
        words.remove(words.len() - 2);
    }
    let mut query = vec![("q", words.as_str())];
    if visit.chance(0.3) {
        query.push(("category", &wanted.category));
    }
    let request = Request::query("/search", &query);
    let found = |body: &[u8]| {
        let results: SearchResults = parse(body)?;
        let hit = results.hits.into_iter().next();
        hit.map(|it| it.id)
            .ok_or_else(|| "nothing was found".into())
    };
    let Some(best) = visit.send(user, request, found).await? else {
        return Ok(());
    };
    visit.think(THINK).await;
    let is_it = |body: &[u8]| {
        let product: ProductWithAvailability = parse(body)?;
        if product.product.id == best {
            Ok(())
        } else {
            Err(format!("asked for {best}, got {}", product.product.id))
        }
    };
    let request = Request::get("/products/{id}", format!("/products/{best}"));
    visit.send(user, request, is_it).await?;
    Ok(())
}
