//! The HTTP surface: one function per route, in the order of [`app`] and [`admin`].

use api::{SearchQuery, SearchResults};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::get,
};
use chassis::{App, Class, Error, Problem, documentation::Refusals};
use utoipa::OpenApi as _;

use crate::{Rebuilder, Status, Store};

/// The whole service, ready to serve or to test.
pub fn app(state: crate::State) -> App {
    let routes = Router::new()
        .route("/search", get(search))
        .route(
            "/openapi.json",
            get(async || Json(Documentation::openapi())),
        )
        .with_state(state);
    App::from(routes).worth(Class::Search, &["GET /search"])
}

/// What the admin port has beside: the index can be rebuilt from the catalogue.
pub fn admin(state: crate::State) -> Router {
    Router::new()
        .route("/index/rebuild", get(rebuild_status).post(rebuild))
        .with_state(state)
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(search), components(schemas(Problem)), modifiers(&Refusals))]
struct Documentation;

/// Search products
#[utoipa::path(get, path = "/search", tag = "search", params(SearchQuery), responses(
    (status = 200, body = SearchResults),
    (status = 400, description = "invalid text, category, price, limit or cursor", body = Problem)))]
async fn search(
    State(store): State<Store>,
    Query(asked): Query<SearchQuery>,
) -> Result<Json<SearchResults>, Error> {
    Ok(Json(store.search(asked).await?))
}

async fn rebuild_status(State(rebuilder): State<Rebuilder>) -> Json<Status> {
    Json(rebuilder.status())
}

async fn rebuild(State(rebuilder): State<Rebuilder>) -> Result<(StatusCode, Json<Status>), Error> {
    Ok((StatusCode::ACCEPTED, Json(rebuilder.begin()?)))
}
