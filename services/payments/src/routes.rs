//! The HTTP surface. The public port has nothing but its description: payments talks in events.

use axum::{Json, Router, extract::State, response::Response, routing::get};
use chassis::{Error, Problem};
use utoipa::OpenApi as _;

use crate::Store;

/// The whole service as a router, ready to serve or to test.
pub fn app(state: crate::State) -> Router {
    Router::new()
        .route(
            "/openapi.json",
            get(async || Json(Documentation::openapi())),
        )
        .with_state(state)
}

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Problem)))]
struct Documentation;

/// What the admin port shows beside what every service shows.
pub(crate) fn admin(state: crate::State) -> Router {
    Router::new().route("/audit", get(audit)).with_state(state)
}

async fn audit(State(store): State<Store>) -> Result<Response, Error> {
    chassis::ndjson(store.audit().await?)
}
