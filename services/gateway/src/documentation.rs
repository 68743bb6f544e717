//! One OpenAPI document for everything that the gateway lets through, and a page that shows it.

use api::ProductWithAvailability;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::PathAndQuery},
    middleware,
    response::Response,
};
use chassis::{
    Error, Problem,
    documentation::{Refusals, operations, refuse},
};
use client::Upstream;
use identity::BearerScheme;
use utoipa::{Modify as _, openapi::OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    proxy::{PASSAGES, Target},
    routes,
    upstreams::Upstreams,
};

/// The gateway's own part: what is composed here.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Windtunnel shop",
        description = "The public API of the shop. Errors are problem+json (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(routes::product),
    components(schemas(Problem, ProductWithAvailability)),
    modifiers(&BearerScheme)
)]
struct Documentation;

/// The gateway's document with what the services say of the routes that pass through. A service that is away is left out.
pub(crate) async fn merged(upstreams: &Upstreams) -> OpenApi {
    let mut document = <Documentation as utoipa::OpenApi>::openapi();
    // Each is some kilobytes large, and there are four of them.
    let ask = |target| Box::pin(fetch(upstreams.at(target)));
    let (users, catalog, search, orders) = tokio::join!(
        ask(Target::Users),
        ask(Target::Catalog),
        ask(Target::Search),
        ask(Target::Orders),
    );
    for (target, theirs) in [
        (Target::Users, users),
        (Target::Catalog, catalog),
        (Target::Search, search),
        (Target::Orders, orders),
    ] {
        match theirs {
            Ok(mut theirs) => {
                let passes = |path: &str| {
                    let mut passages = PASSAGES.iter();
                    passages.any(|it| it.to == target && it.path == path)
                };
                theirs.paths.paths.retain(|path, _| passes(path));
                // Where both describe a route, such as the product page, ours stays.
                document.merge(theirs);
            }
            Err(error) => {
                tracing::warn!(%error, service = ?target, "service missing from the API documentation");
            }
        }
    }
    at_the_door(&mut document);
    document
}

/// What the gateway itself may answer, whatever a route needs: a token that is false is refused where none is needed too, and so is
/// who comes too often.
fn at_the_door(document: &mut OpenApi) {
    Refusals.modify(document);
    for operation in operations(document) {
        refuse(
            operation,
            &[StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS],
        );
    }
}

async fn fetch(upstream: &Upstream) -> Result<OpenApi, Error> {
    let path = PathAndQuery::from_static("/openapi.json");
    let answer = upstream
        .send(
            Method::GET,
            "/openapi.json",
            path,
            HeaderMap::new(),
            Bytes::new(),
        )
        .await?;
    serde_json::from_slice(answer.body()).map_err(|error| Error::Internal(error.into()))
}

/// What a browser is told of the page: to load and to call nothing of others, to show it in no frame (the second header is for
/// those that know no policy), to believe the types of its files, and to ask for them again after an hour.
const GUARDS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    ),
];

/// Swagger UI from this binary: nothing is loaded from elsewhere.
pub(crate) fn page() -> Router {
    let page: Router = SwaggerUi::new("/docs")
        .config(Config::from("/openapi.json"))
        .into();
    page.route_layer(middleware::map_response(async |mut it: Response| {
        it.headers_mut().extend(GUARDS);
        it
    }))
}
