//! The HTTP surface: one function per route, in the order of [`app`].

use api::{NewOrder, Order, OrderPage};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use chassis::{App, Class, Error, Problem, documentation::Refusals};
use identity::{BearerScheme, Identity, not_kept};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi as _};

use crate::{Store, order, placing::Placement};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The whole service, ready to serve or to test.
pub fn app(state: crate::State) -> App {
    let routes = Router::new()
        .route("/orders", get(list).post(place))
        .route("/orders/{id}", get(one))
        .route_layer(map_response(not_kept))
        .route(
            "/openapi.json",
            get(async || Json(Documentation::openapi())),
        )
        .with_state(state);
    App::from(routes).worth(Class::Checkout, &["POST /orders"])
}

/// What the admin port shows beside what every service shows.
pub(crate) fn admin(state: crate::State) -> Router {
    Router::new().route("/audit", get(audit)).with_state(state)
}

async fn audit(State(store): State<Store>) -> Result<Response, Error> {
    chassis::ndjson(store.audit().await?)
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, place, one), components(schemas(Problem)), modifiers(&BearerScheme, &Refusals))]
struct Documentation;

/// Which orders to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// The `next_cursor` of the page before.
    #[param(pattern = "^o-[0-9a-fA-F]{24}$")]
    cursor: Option<String>,
    /// The most orders on a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// List my orders
#[utoipa::path(get, path = "/orders", tag = "orders", params(Listing), security(("bearer" = [])), responses(
    (status = 200, body = OrderPage), (status = 400, body = Problem), (status = 401, body = Problem)))]
async fn list(
    State(store): State<Store>,
    identity: Identity,
    Query(it): Query<Listing>,
) -> Result<Json<OrderPage>, Error> {
    let limit = it.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Error::Invalid(format!(
            "limit must be from 1 to {MAX_LIMIT}"
        )));
    }
    if it.cursor.as_deref().is_some_and(|it| !order::is_id(it)) {
        let text = "cursor must be the next_cursor of the previous page";
        return Err(Error::Invalid(text.to_owned()));
    }
    let page = store.list(&identity.user_id, it.cursor.as_deref(), limit);
    Ok(Json(page.await?))
}

/// Place an order
///
/// It is accepted at once; whether it is confirmed or cancelled shows at its `Location` a moment later. The same key with
/// the same body is answered the same, however often and however many at once.
#[utoipa::path(post, path = "/orders", tag = "orders", security(("bearer" = [])),
    params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 128, pattern = "^[!-~]+$", description = "identifies this request when it is retried; kept for 24 hours")),
    request_body = NewOrder, responses((status = 202, body = Order, headers(("location", description = "where it is"))), (status = 400, body = Problem),
    (status = 401, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn place(
    State(state): State<crate::State>,
    identity: Identity,
    headers: HeaderMap,
    Json(new): Json<NewOrder>,
) -> Result<impl IntoResponse, Error> {
    let mut keys = headers.get_all(&IDEMPOTENCY_KEY).iter();
    // Of two, nobody knows which is meant.
    let key = keys.next().filter(|_| keys.next().is_none());
    let key = key.and_then(|it| it.to_str().ok()).unwrap_or_default();
    order::check_key(key).map_err(|it| Error::Invalid(it.to_string()))?;
    order::check(&new).map_err(|it| Error::Unprocessable(it.to_string()))?;
    let placement = Placement {
        user_id: &identity.user_id,
        key,
        order: &new,
        fingerprint: &state.fingerprints.of(&new),
    };
    let order = state.place(placement).await?;
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    Ok((StatusCode::ACCEPTED, location, Json(order)))
}

/// One of my orders
#[utoipa::path(get, path = "/orders/{id}", tag = "orders", params(("id" = String, Path, pattern = "^o-[a-z0-9]{1,32}$")), security(("bearer" = [])),
    responses((status = 200, body = Order), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn one(
    State(store): State<Store>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Order>, Error> {
    // A text that is no id names no order.
    let id = id.try_into().map_err(|_| Error::NotFound("order"))?;
    Ok(Json(store.get(&identity.user_id, &id).await?))
}
