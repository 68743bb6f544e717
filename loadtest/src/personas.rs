//! What visitors of the shop do: one ordinary goose scenario a file.

pub(crate) mod browser;
pub(crate) mod buyer;
pub(crate) mod editor;
pub(crate) mod orderer;
pub(crate) mod reader;
pub(crate) mod searcher;
pub(crate) mod seeker;

use std::sync::Arc;

use goose::prelude::Scenario;

use crate::engine::{mix::Persona, state::Engine};

/// What a visitor of this kind does.
pub(crate) fn scenario(persona: Persona, engine: &Arc<Engine>) -> Scenario {
    match persona {
        Persona::Browser => browser::scenario(engine),
        Persona::Searcher => searcher::scenario(engine),
        Persona::Buyer => buyer::scenario(engine),
        Persona::Seeker => seeker::scenario(engine),
        Persona::Reader => reader::scenario(engine),
        Persona::Editor => editor::scenario(engine),
        Persona::Orderer => orderer::scenario(engine),
    }
}
