//! The public routes: one function per route, in the order of [`app`].

use std::time::Duration;

use api::{ProductId, ProductWithAvailability};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, Method, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use chassis::{Error, Problem};
use serde_json::{Value, json};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::openapi::OpenApi;

use crate::{
    Config, Upstreams, documentation,
    limit::{self, Limiter},
    page, proxy,
};

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_mins(10);

/// The whole gateway as a router, ready to serve or to test. Must be called inside a Tokio runtime.
pub fn app(config: &Config, upstreams: Upstreams) -> anyhow::Result<Router> {
    let routes = Router::new()
        .route("/", get(links))
        .route("/products", get(products))
        .route("/products/{id}", get(product))
        .route("/openapi.json", get(openapi))
        .with_state(upstreams)
        .merge(documentation::page())
        .layer(middleware::from_fn_with_state(
            Limiter::new(config),
            limit::limit,
        ))
        .layer(cors(config)?);
    Ok(routes)
}

fn cors(config: &Config) -> anyhow::Result<CorsLayer> {
    let origins = &config.cors_allow_origin;
    anyhow::ensure!(
        origins.iter().all(|it| it != "*"),
        "--cors-allow-origin wants origins such as https://shop.example; `*` would let every page in"
    );
    let request_id = HeaderName::from_static(telemetry::REQUEST_ID);
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.clone()))
        .allow_methods([Method::GET, Method::POST, Method::PATCH])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            request_id.clone(),
        ])
        .expose_headers([request_id, header::RETRY_AFTER])
        .max_age(PREFLIGHT_AGE))
}

async fn links() -> Json<Value> {
    Json(json!({
        "products": "/products?limit=20",
        "product": "/products/{id}",
        "openapi": "/openapi.json",
        "documentation": "/docs/",
    }))
}

async fn products(
    State(upstreams): State<Upstreams>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Error> {
    proxy::get(&upstreams.catalog, "/products", &uri, &headers).await
}

/// Product page
#[utoipa::path(get, path = "/products/{id}", tag = "shop", params(("id" = String, Path, example = "p-000042")),
    responses((status = 200, body = ProductWithAvailability), (status = 404, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem), (status = 504, body = Problem)))]
pub(crate) async fn product(
    State(upstreams): State<Upstreams>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Error> {
    let id: ProductId = id.try_into().map_err(|_| Error::NotFound("product"))?;
    let page = page::compose(&upstreams, id).await?;
    let version = HeaderName::from_static("x-product-version");
    Ok(([(version, page.product.version)], Json(page)))
}

async fn openapi(State(upstreams): State<Upstreams>) -> Json<OpenApi> {
    Json(documentation::merged(&upstreams).await)
}
