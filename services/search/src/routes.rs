//! The HTTP surface: one function per route, in the order of [`app`].

use api::{SearchQuery, SearchResults};
use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use chassis::{Error, Problem};
use utoipa::OpenApi as _;

use crate::Store;

/// The whole service as a router, ready to serve or to test.
pub fn app(store: Store) -> Router {
    Router::new()
        .route("/search", get(search))
        .route(
            "/openapi.json",
            get(async || Json(Documentation::openapi())),
        )
        .with_state(store)
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(search), components(schemas(Problem)))]
struct Documentation;

/// Search products
#[utoipa::path(get, path = "/search", tag = "search", params(SearchQuery), responses(
    (status = 200, body = SearchResults),
    (status = 400, description = "a bad text, category, price, limit or cursor", body = Problem)))]
async fn search(
    State(store): State<Store>,
    Query(asked): Query<SearchQuery>,
) -> Result<Json<SearchResults>, Error> {
    Ok(Json(store.search(asked).await?))
}
