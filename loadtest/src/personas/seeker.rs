//! Looks for something as a searcher does, and leaves with the list: load for search, and for no other service behind the gateway.

use std::sync::Arc;

use goose::prelude::*;

use super::searcher::best_hit;
use crate::engine::{mix::Persona, state::Engine, visit::Visit};

pub(crate) fn scenario(engine: &Arc<Engine>) -> Scenario {
    scenario!("seeker")
        .register_transaction(engine.on_start())
        .register_transaction(engine.arrival(Persona::Seeker))
        .register_transaction(transaction!(seek).set_name("seek"))
}

async fn seek(user: &mut GooseUser) -> TransactionResult {
    if let Some(mut visit) = Visit::of(user) {
        best_hit(&mut visit, user).await?;
    }
    Ok(())
}
