//! The HTTP surface: one function per route, in the order of [`app`].

use api::{Credentials, Registered, Session, User};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    middleware::map_response,
    response::IntoResponse,
    routing::{get, post},
};
use chassis::{App, Class, Error, Problem, documentation::Refusals};
use identity::{BearerScheme, Identity, not_kept};
use utoipa::OpenApi as _;

use crate::account::{BadCredentials, check_email, check_password, opaque};

/// Answers with a token in them are not to be kept by anyone in between (RFC 6750, section 5.3).
const NOT_KEPT: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// The whole service, ready to serve or to test.
pub fn app(state: crate::State) -> App {
    let routes = Router::new()
        .route("/users", post(register))
        .route("/users/me", get(me).layer(map_response(not_kept)))
        .route("/sessions", post(log_in))
        .route("/.well-known/jwks.json", get(keys))
        .route(
            "/openapi.json",
            get(async || Json(Documentation::openapi())),
        )
        .with_state(state);
    // Without the keys no service knows who is asking.
    App::from(routes).worth(
        Class::Checkout,
        &["POST /sessions", "GET /.well-known/jwks.json"],
    )
}

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(register, me, log_in, keys),
    components(schemas(Problem)),
    modifiers(&BearerScheme, &Refusals)
)]
struct Documentation;

/// Register
///
/// The answer is the same, and as long in coming, when the address has an account already: nobody learns who is a customer.
#[utoipa::path(post, path = "/users", tag = "users", request_body = Credentials, responses(
    (status = 202, body = Registered), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn register(
    State(users): State<crate::State>,
    Json(new): Json<Credentials>,
) -> Result<impl IntoResponse, Error> {
    let unprocessable = |it: BadCredentials| Error::Unprocessable(it.to_string());
    check_email(&new.email).map_err(unprocessable)?;
    let password = opaque(&new.password);
    check_password(&password).map_err(unprocessable)?;
    let hash = users.hasher.hash(password).await?;
    if let Some(user_id) = users.store.register(&new.email, &hash).await? {
        tracing::info!(%user_id, "account registered");
    }
    let next = "log in with POST /sessions".to_owned();
    Ok((StatusCode::ACCEPTED, Json(Registered { next })))
}

/// The account that is asking
#[utoipa::path(get, path = "/users/me", tag = "users", security(("bearer" = [])), responses(
    (status = 200, body = User), (status = 401, body = Problem)))]
async fn me(State(users): State<crate::State>, identity: Identity) -> Result<Json<User>, Error> {
    let account = users.store.by_id(&identity.user_id).await?;
    // Only where the database was lost: a token outlives it.
    let account = account.ok_or(Error::InvalidToken(
        "account no longer exists; register again",
    ))?;
    Ok(Json(account.into()))
}

/// Log in
#[utoipa::path(post, path = "/sessions", tag = "users", request_body = Credentials, responses(
    (status = 201, body = Session), (status = 401, body = Problem), (status = 429, body = Problem),
    (status = 503, body = Problem)))]
async fn log_in(
    State(users): State<crate::State>,
    Json(tried): Json<Credentials>,
) -> Result<impl IntoResponse, Error> {
    let account = users.store.by_email(&tried.email).await?;
    let hash = account.as_ref().map(|it| it.password_hash.clone());
    let right = users.hasher.verify(opaque(&tried.password), hash).await?;
    let account = account.filter(|_| right);
    let account = account.ok_or(Error::Unauthorized("wrong e-mail address or password"))?;
    let session = Session {
        token: users
            .key
            .issue(account.id.as_str(), account.role(), users.token_ttl)?,
        token_type: "Bearer".into(),
        expires_in: users.token_ttl.as_secs(),
    };
    tracing::info!(user_id = %account.id, "logged in");
    Ok((StatusCode::CREATED, [NOT_KEPT], Json(session)))
}

/// The public keys that tokens are verified with (RFC 7517)
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "users", responses(
    (status = 200, description = "a JWK set of Ed25519 keys (RFC 8037)", body = Object)))]
async fn keys(State(users): State<crate::State>) -> impl IntoResponse {
    Json(users.key.public())
}
