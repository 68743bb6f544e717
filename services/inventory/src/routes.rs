//! The HTTP surface: one function per route, in the order of [`app`].

use api::ProductId;
use axum::{
    Json, Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use chassis::{App, Class, Error, Problem, documentation::Refusals};
use serde::Serialize;
use utoipa::{OpenApi as _, ToSchema};

use crate::{Store, grpc};

/// The whole service, ready to serve or to test.
pub fn app(state: crate::State) -> App {
    let routes = Router::new()
        .route("/stock/{product_id}", get(stock))
        .route(
            "/openapi.json",
            get(async || Json(Documentation::openapi())),
        )
        .with_state(state.clone())
        .merge(grpc::router(state.store));
    App::from(routes).worth(
        Class::Browse,
        &["/windtunnel.inventory.v1.Inventory/GetAvailability"],
    )
}

/// What the admin port shows beside what every service shows.
pub(crate) fn admin(state: crate::State) -> Router {
    Router::new().route("/audit", get(audit)).with_state(state)
}

async fn audit(State(store): State<Store>) -> Result<Response, Error> {
    chassis::ndjson(store.audit().await?)
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(stock), components(schemas(Problem)), modifiers(&Refusals))]
struct Documentation;

/// The stock of one product.
#[derive(Serialize, ToSchema)]
struct Stock {
    #[schema(value_type = String)]
    product_id: ProductId,
    /// Units on hand less units reserved.
    available: i64,
}

/// The stock of one product
#[utoipa::path(get, path = "/stock/{product_id}", tag = "inventory", params(("product_id" = String, Path, pattern = "^p-[a-z0-9]{6,32}$")),
    responses((status = 200, body = Stock), (status = 404, body = Problem)))]
async fn stock(State(store): State<Store>, Path(id): Path<String>) -> Result<Json<Stock>, Error> {
    let product_id: ProductId = id.try_into().map_err(|_| Error::NotFound("product"))?;
    let available = store.available(std::slice::from_ref(&product_id)).await?;
    let available = available
        .first()
        .ok_or(Error::NotFound("product"))?
        .available;
    Ok(Json(Stock {
        product_id,
        available,
    }))
}
