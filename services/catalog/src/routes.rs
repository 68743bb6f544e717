//! The HTTP surface: one function per route, in the order of [`app`].

use api::{NewProduct, Product, ProductChange, ProductId, ProductPage};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use chassis::{App, Class, Error, Problem, documentation::Refusals};
use identity::{Admin, BearerScheme};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi as _};

use crate::{Store, grpc, products};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// The whole service, ready to serve or to test.
pub fn app(state: crate::State) -> App {
    let routes = Router::new()
        .route("/products", get(list).post(create))
        .route("/products/{id}", get(product).patch(change))
        .route(
            "/openapi.json",
            get(async || Json(Documentation::openapi())),
        )
        .with_state(state.clone())
        .merge(grpc::router(state.store));
    App::from(routes)
        // What an order costs.
        .worth(
            Class::Checkout,
            &["/windtunnel.catalog.v1.Catalog/GetProducts"],
        )
        .worth(Class::Browse, &["GET /products", "GET /products/{id}"])
}

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, create, product, change),
    components(schemas(Problem)),
    modifiers(&BearerScheme, &Refusals)
)]
struct Documentation;

/// Which products to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// Only products of this category.
    #[param(pattern = "^[a-z0-9-]{1,50}$")]
    category: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<String>, pattern = "^p-[a-z0-9]{6,32}$")]
    cursor: Option<ProductId>,
    /// The most products on a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// List products
#[utoipa::path(get, path = "/products", tag = "catalog", params(Listing), responses(
    (status = 200, body = ProductPage), (status = 400, description = "invalid cursor or limit", body = Problem)))]
async fn list(
    State(store): State<Store>,
    Query(it): Query<Listing>,
) -> Result<Json<ProductPage>, Error> {
    let limit = it.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Error::Invalid(format!(
            "limit must be from 1 to {MAX_LIMIT}"
        )));
    }
    if let Some(category) = &it.category {
        products::check_category(category).map_err(|it| Error::Invalid(it.to_string()))?;
    }
    let page = store
        .list(it.category.as_deref(), it.cursor.as_ref(), limit)
        .await?;
    Ok(Json(page))
}

/// Create a product
#[utoipa::path(post, path = "/products", tag = "catalog", request_body = NewProduct, security(("bearer" = [])),
    responses((status = 201, body = Product, headers(("location", description = "where it is"))), (status = 401, body = Problem),
        (status = 403, description = "not an admin", body = Problem), (status = 422, body = Problem)))]
async fn create(
    Admin(admin): Admin,
    State(store): State<Store>,
    Json(new): Json<NewProduct>,
) -> Result<impl IntoResponse, Error> {
    products::check_new(&new).map_err(|it| Error::Unprocessable(it.to_string()))?;
    let product = store.create(new_id(), new).await?;
    tracing::info!(product_id = %product.id, user_id = %admin.user_id, "product created");
    let location = [(header::LOCATION, format!("/products/{}", product.id))];
    Ok((StatusCode::CREATED, location, Json(product)))
}

/// One product
#[utoipa::path(get, path = "/products/{id}", tag = "catalog", params(("id" = String, Path, pattern = "^p-[a-z0-9]{6,32}$", example = "p-000042")), responses(
    (status = 200, body = Product), (status = 404, body = Problem)))]
async fn product(
    State(store): State<Store>,
    Path(id): Path<String>,
) -> Result<Json<Product>, Error> {
    let id = known(id)?;
    let product = store
        .get(&id)
        .await
        .map_err(|error| Error::shared(&error))?;
    Ok(Json(product))
}

/// Change a product
#[utoipa::path(patch, path = "/products/{id}", tag = "catalog", params(("id" = String, Path, pattern = "^p-[a-z0-9]{6,32}$", example = "p-000042")),
    request_body = ProductChange, security(("bearer" = [])), responses((status = 200, body = Product),
        (status = 401, body = Problem), (status = 403, description = "not an admin", body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn change(
    Admin(admin): Admin,
    State(store): State<Store>,
    Path(id): Path<String>,
    Json(change): Json<ProductChange>,
) -> Result<Json<Product>, Error> {
    products::check_change(&change).map_err(|it| Error::Unprocessable(it.to_string()))?;
    let product = store.change(&known(id)?, change).await?;
    let (product_id, version, user_id) = (&product.id, product.version, admin.user_id);
    tracing::info!(%product_id, version, %user_id, "product changed");
    Ok(Json(product))
}

/// A text that is no id names no product.
fn known(id: String) -> Result<ProductId, Error> {
    id.try_into().map_err(|_| Error::NotFound("product"))
}

/// An id that sorts by time of creation, after every seeded one: microseconds since 1970 and 32 random bits.
fn new_id() -> ProductId {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = now.map_or(0, |it| it.as_micros());
    format!("p-n{micros:016x}{:08x}", fastrand::u32(..))
        .try_into()
        .expect("25 lower-case letters and digits")
}
