//! What stands between the network and a service's own routes.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use telemetry::Caller;
use tokio::time::Instant;
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer, limit::RequestBodyLimitLayer};

use crate::{
    Config, Error, Problem, deadline,
    error::PROBLEM_JSON,
    faults::{self, Faults},
};

/// What [`public`] enforces.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest a request may take.
    pub timeout: Duration,
    /// The longest request body, in bytes.
    pub body: usize,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            timeout: config.request_timeout,
            body: config.body_limit,
        }
    }
}

/// What a service serves: its routes, which pages may call them from a browser, and whose traces it continues. A router alone
/// lets no page call it, and is called by services of ours.
#[derive(Debug, Clone)]
pub struct App {
    routes: Router,
    cors: Option<CorsLayer>,
    caller: Caller,
}

impl App {
    /// Lets pages call `routes` as `cors` says. Also what is answered in their place (413, 500, 504) says so: without that a
    /// page could not even read the status.
    pub fn with_cors(routes: Router, cors: CorsLayer) -> Self {
        Self {
            cors: Some(cors),
            ..routes.into()
        }
    }

    /// The same where `caller` calls.
    #[must_use]
    pub fn called_by(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }
}

impl From<Router> for App {
    fn from(routes: Router) -> Self {
        Self {
            routes,
            cors: None,
            caller: Caller::Trusted,
        }
    }
}

/// Wraps a service's routes in telemetry, CORS, problem+json, panic handling, deadline, faults and body limit, from the
/// outside in. Tests of a service wrap it in the same.
pub fn public(app: impl Into<App>, limits: Limits) -> Router {
    wrap(app.into(), limits, &Faults::default())
}

pub(crate) fn wrap(
    App {
        routes,
        cors,
        caller,
    }: App,
    limits: Limits,
    faults: &Faults,
) -> Router {
    let app = routes
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(limits.body))
        .layer(middleware::from_fn_with_state(
            faults.clone(),
            faults::inject,
        ))
        .layer(middleware::from_fn_with_state(
            limits.timeout,
            enforce_deadline,
        ))
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn(render_problems));
    let app = match cors {
        Some(cors) => app.layer(cors),
        None => app,
    };
    telemetry::observe(app, caller)
}

/// An error in the caller's protocol.
pub(crate) fn answer(error: Error, grpc: bool) -> Response {
    if grpc {
        error.into_grpc().into_http()
    } else {
        error.into_response()
    }
}

async fn enforce_deadline(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let grpc = telemetry::is_grpc(request.headers());
    let allowed = deadline::allowed(request.headers()).map_or(limit, |it| it.min(limit));
    match deadline::within(Instant::now() + allowed, next.run(request)).await {
        Some(response) => response,
        None => answer(Error::Timeout, grpc),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature tower-http asks for"
)]
fn answer_panic(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::Internal(anyhow::anyhow!("a handler panicked: {text}")).into_response()
}

/// The longest explanation taken over from an extractor or a library.
const MAX_DETAIL_BYTES: usize = 1024;

/// Turns every error that is not yet problem+json into it: rejections of axum's extractors, the body limit, libraries. A
/// gRPC caller learns of a panic by a status, as of every other error.
async fn render_problems(request: Request, next: Next) -> Response {
    let grpc = telemetry::is_grpc(request.headers());
    let response = next.run(request).await;
    let status = response.status();
    if grpc {
        let panicked = status == StatusCode::INTERNAL_SERVER_ERROR;
        return if panicked && !telemetry::is_grpc(response.headers()) {
            tonic::Status::internal("internal error").into_http()
        } else {
            response
        };
    }
    let rendered = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|it| it == PROBLEM_JSON);
    if rendered || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let problem = Problem::new(status, explain(status, body).await).into_response();
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        parts.headers.remove(name);
    }
    let (problem_parts, body) = problem.into_parts();
    parts.headers.extend(problem_parts.headers);
    Response::from_parts(parts, body)
}

async fn explain(status: StatusCode, body: Body) -> String {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => return Error::TooLarge.to_string(),
        StatusCode::NOT_FOUND => return Error::NotFound("route").to_string(),
        StatusCode::METHOD_NOT_ALLOWED => return "this route does not take that method".to_owned(),
        _ => (),
    }
    let text = to_bytes(body, MAX_DETAIL_BYTES)
        .await
        .ok()
        .and_then(|it| String::from_utf8(it.into()).ok())
        .filter(|it| !it.is_empty());
    text.unwrap_or_else(|| status.canonical_reason().unwrap_or("error").to_lowercase())
}

#[cfg(test)]
mod tests {
    use axum::routing::any;
    use tower::ServiceExt as _;

    use super::*;

    async fn panicking(content_type: &str) -> Response {
        let panics = any(async || -> String { panic!("on purpose") });
        let app = Router::new().route("/test.Service/{*rest}", panics);
        let limits = Limits {
            timeout: Duration::from_secs(1),
            body: 1024,
        };
        let request = Request::post("/test.Service/Call")
            .header(header::CONTENT_TYPE, content_type)
            .body(Body::empty())
            .unwrap();
        let app = public(app, limits);
        app.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_callers_protocol() {
        let http = panicking("application/json").await;
        assert_eq!(http.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(http.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        let grpc = panicking("application/grpc").await;
        assert_eq!(grpc.status(), StatusCode::OK);
        let internal = (tonic::Code::Internal as i32).to_string();
        assert_eq!(grpc.headers()["grpc-status"], internal);
    }
}
