//! Looks for something: a material and a thing, sometimes mistyped, sometimes within a category; then looks at a hit.

use std::sync::Arc;

use api::{ProductId, ProductWithAvailability, SearchResults, seed};
use goose::prelude::*;

use crate::engine::{
    mix::Persona,
    request::Request,
    state::Engine,
    visit::{Visit, parse},
};

/// Milliseconds between an answer and the next request.
const THINK: std::ops::Range<u64> = 100..300;
/// Letters of the shortest word that is ever mistyped: words of two letters are corrected by nobody.
const MISTYPED_FROM: usize = 4;

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
    let Some(best) = best_hit(&mut visit, user).await? else {
        return Ok(());
    };
    visit.think(THINK).await;
    let is_it = |body: &[u8]| {
        let product: ProductWithAvailability = parse(body)?;
        if product.product.id == best {
            Ok(())
        } else {
            Err(format!("requested {best}, got {}", product.product.id))
        }
    };
    let request = Request::get("/products/{id}", format!("/products/{best}"));
    visit.send(user, request, is_it).await?;
    Ok(())
}

/// Looks for one of the popular products; nothing where no good answer came.
pub(super) async fn best_hit(
    visit: &mut Visit,
    user: &mut GooseUser,
) -> Result<Option<ProductId>, Box<TransactionError>> {
    let wanted = seed::product(visit.popular_product());
    let mut words = words(&wanted.name);
    if visit.chance(0.2) {
        mistype(&mut words);
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
    visit.send(user, request, found).await
}

/// «Foldable oak bookshelf, black» is looked for as «oak bookshelf».
fn words(name: &str) -> String {
    let name = name
        .split([',', '、', '，', '،'])
        .next()
        .unwrap_or_default();
    name.split_once(' ').map_or(name, |it| it.1).to_owned()
}

/// A letter of the last word goes missing, unless no search engine could then tell which word it was.
fn mistype(words: &mut String) {
    let last = words.rsplit(' ').next().unwrap_or_default();
    let penultimate = last.char_indices().nth_back(1);
    if last.chars().count() >= MISTYPED_FROM
        && let Some((position, _)) = penultimate
    {
        let start = words.len() - last.len();
        words.remove(start + position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mistyped_can_still_be_recognised() {
        for (name, typed) in [
            ("Foldable oak bookshelf, black", "oak bookshef"),
            ("Compact bamboo train set, red", "bamboo train set"),
            ("Κεραμική τσαγιέρα, λευκή", "τσαγιέα"),
            ("ダブルテント、緑", "ダブルテト"),
        ] {
            let mut words = words(name);
            mistype(&mut words);
            assert_eq!(words, typed);
        }
    }
}
