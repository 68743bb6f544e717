//! The HTTP surface: one function per route, in the order of [`app`].

use api::{NewOrder, Order, OrderPage};
use axum::{
    Json, Router,
    extract::{FromRef, Path, Query, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use chassis::{Error, Problem};
use identity::{BearerScheme, Identity, Verifier, not_kept};
use messaging::Messaging;
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi as _};

use crate::{Prices, Store, order, saga::Attempt};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the routes need; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct Shop {
    /// Where orders are kept.
    pub store: Store,
    /// How their changes are told.
    pub messaging: Messaging,
    /// What things cost.
    pub prices: Prices,
    /// Who is asking.
    pub verifier: Verifier,
}

/// The whole service as a router, ready to serve or to test.
pub fn app(shop: Shop) -> Router {
    Router::new()
        .route("/orders", get(list).post(place))
        .route("/orders/{id}", get(one))
        .route_layer(map_response(not_kept))
        .route(
            "/openapi.json",
            get(async || Json(Documentation::openapi())),
        )
        .with_state(shop)
}

/// What the admin port shows beside what every service shows.
pub(crate) fn admin(store: Store) -> Router {
    Router::new().route("/audit", get(audit)).with_state(store)
}

async fn audit(State(store): State<Store>) -> Result<Response, Error> {
    chassis::ndjson(store.audit().await?)
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, place, one), components(schemas(Problem)), modifiers(&BearerScheme))]
struct Documentation;

/// Which orders to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// The `next_cursor` of the page before.
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
        return Err(Error::Invalid(format!("limit is from 1 to {MAX_LIMIT}")));
    }
    if it.cursor.as_deref().is_some_and(|it| !order::is_id(it)) {
        let text = "cursor is the next_cursor of the page before";
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
    params(("Idempotency-Key" = String, Header, description = "names this attempt; kept for 24 hours")),
    request_body = NewOrder, responses((status = 202, body = Order), (status = 400, body = Problem),
    (status = 401, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn place(
    State(shop): State<Shop>,
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
    let attempt = Attempt {
        user_id: &identity.user_id,
        key,
        order: &new,
    };
    let order = shop.place(attempt).await?;
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    Ok((StatusCode::ACCEPTED, location, Json(order)))
}

impl Shop {
    async fn place(&self, attempt: Attempt<'_>) -> Result<Order, Error> {
        if let Some(order) = self.store.answered(attempt).await? {
            return Ok(order);
        }
        let prices = self.prices.of(attempt.order).await?;
        let (items, total_cents) = order::price(attempt.order, &prices)
            .map_err(|it| Error::Unprocessable(it.to_string()))?;
        let placed = self
            .store
            .place(&self.messaging, attempt, items, total_cents);
        if let Some(order) = placed.await? {
            tracing::info!(order_id = %order.id, total_cents = total_cents.0, "order placed");
            return Ok(order);
        }
        // The same request twice at once: the other one was first.
        let order = self.store.answered(attempt).await?;
        order.ok_or_else(|| Error::Conflict("the same key was used a moment ago; try again".into()))
    }
}

/// One of my orders
#[utoipa::path(get, path = "/orders/{id}", tag = "orders", params(("id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = Order), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn one(
    State(store): State<Store>,
    identity: Identity,
    Path(id): Path<String>,
) -> Result<Json<Order>, Error> {
    Ok(Json(store.get(&identity.user_id, &id).await?))
}
