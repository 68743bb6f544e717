//! The public routes: what is answered here has a function each, in the order of [`app`]; what passes through is a table in
//! [`proxy`].

use std::{sync::Arc, time::Duration};

use api::{ProductId, ProductWithAvailability};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderName, Method, header, request::Parts},
    middleware,
    response::IntoResponse,
    routing::{get, on},
};
use chassis::{App, Class, Error, Problem};
use serde_json::{Value, json};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::openapi::OpenApi;

use crate::{
    Config, auth, documentation, limit, page,
    proxy::{self, IDEMPOTENCY_KEY, LOG_IN, PASSAGES, REGISTER},
    upstreams::Upstreams,
};

/// The version of the product on a page, so that its reader can tell how old it is.
const PRODUCT_VERSION: HeaderName = HeaderName::from_static("x-product-version");
/// The routes that shoppers are promised something of (observability/slo.yaml).
const PROMISED: [(&str, &str); 4] = [
    ("GET", "/products"),
    ("GET", "/products/{id}"),
    ("GET", "/search"),
    ("POST", "/orders"),
];
/// What counts against a promise.
const BROKEN: [u16; 3] = [500, 503, 504];
/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_mins(10);

/// The whole service, ready to serve or to test.
pub fn app(state: crate::State) -> App {
    for (method, route) in PROMISED {
        telemetry::promise(method, route, &BROKEN);
    }
    let routes = Router::new()
        .route("/", get(links))
        .route("/products/{id}", get(product))
        .route("/openapi.json", get(openapi))
        .with_state(state.clone())
        .merge(passages(&state))
        .merge(documentation::page())
        .layer(middleware::from_fn_with_state(state.clone(), auth::admit));
    let app = App::with_cors(routes, Arc::unwrap_or_clone(state.cors))
        .worth(Class::Checkout, &["POST /orders", "POST /sessions"])
        .worth(Class::Browse, &["GET /products", "GET /products/{id}"])
        .worth(Class::Search, &["GET /search"])
        .called_by(state.caller)
        .shared(state.share);
    if state.trust_deadline {
        app
    } else {
        app.without_callers_deadlines()
    }
}

/// The routes that pass through.
fn passages(state: &crate::State) -> Router {
    PASSAGES.iter().fold(Router::new(), |router, passage| {
        let upstream = state.upstreams.at(passage.to).clone();
        let handler = async move |parts: Parts, body: Bytes| {
            proxy::forward(&upstream, passage.path, parts, body).await
        };
        let route = on(passage.methods, handler);
        let limiter = state.limiter.clone();
        let route = match passage.path {
            LOG_IN => route.layer(middleware::from_fn_with_state(limiter, limit::log_in)),
            REGISTER => route.layer(middleware::from_fn_with_state(limiter, limit::register)),
            _ => route,
        };
        router.route(passage.path, route)
    })
}

/// Which pages may call the gateway from a browser.
pub(crate) fn cors(config: &Config) -> anyhow::Result<CorsLayer> {
    let origins = &config.cors_allow_origin;
    anyhow::ensure!(
        origins.iter().all(|it| it != "*"),
        "--cors-allow-origin takes origins such as https://shop.example; `*` would allow every site"
    );
    let request_id = HeaderName::from_static(telemetry::REQUEST_ID);
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.clone()))
        .allow_methods([Method::GET, Method::POST, Method::PATCH])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            IDEMPOTENCY_KEY,
            request_id.clone(),
            // What a page with tracing sends by itself (W3C Trace Context, W3C Baggage).
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
            HeaderName::from_static("baggage"),
        ])
        .expose_headers([
            request_id,
            PRODUCT_VERSION,
            header::LOCATION,
            header::RETRY_AFTER,
        ])
        .max_age(PREFLIGHT_AGE))
}

async fn links() -> Json<Value> {
    Json(json!({
        "products": "/products?limit=20",
        "product": "/products/{id}",
        "search": "/search?q=lamp",
        "register": "/users",
        "log_in": "/sessions",
        "account": "/users/me",
        "orders": "/orders",
        "order": "/orders/{id}",
        "token_keys": "/.well-known/jwks.json",
        "openapi": "/openapi.json",
        "documentation": "/docs/",
    }))
}

/// Product page
#[utoipa::path(get, path = "/products/{id}", tag = "shop", params(("id" = String, Path, pattern = "^p-[a-z0-9]{6,32}$", example = "p-000042")),
    responses((status = 200, body = ProductWithAvailability, headers(("x-product-version" = i64))), (status = 404, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem), (status = 504, body = Problem)))]
pub(crate) async fn product(
    State(upstreams): State<Upstreams>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Error> {
    let id: ProductId = id.try_into().map_err(|_| Error::NotFound("product"))?;
    let page = page::compose(&upstreams, id).await?;
    Ok(([(PRODUCT_VERSION, page.product.version)], Json(page)))
}

async fn openapi(State(upstreams): State<Upstreams>) -> Json<OpenApi> {
    Json(documentation::merged(&upstreams).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_an_objective_is_promised() {
        let mut found: Vec<_> = PROMISED
            .iter()
            .map(|(method, route)| format!("{method} {route}"))
            .collect();
        let of_objectives = slo::shop().iter().flat_map(|it| it.indicator.routes());
        let mut expected: Vec<_> = of_objectives.collect();
        found.sort();
        expected.sort();
        expected.dedup();
        assert_eq!(found, expected);
    }
}
