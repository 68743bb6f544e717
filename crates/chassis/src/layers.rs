//! What stands between the network and a service's own routes.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Version, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::time::Instant;
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer};

use crate::{
    App, Concurrency, Config, Error, Problem,
    admission::{self, Gate},
    body::Waiting,
    deadline,
    error::PROBLEM_JSON,
    explanation::without_values,
    faults::{self, Faults},
    head,
};

/// What [`public`] enforces.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest a request may take.
    pub timeout: Duration,
    /// Maximum size of a request body in bytes.
    pub body: usize,
    /// How many requests may be under way at once, and how many wait.
    pub concurrency: Concurrency,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            timeout: config.request_timeout,
            body: config.body_limit,
            concurrency: config.concurrency,
        }
    }
}

/// Wraps a service's routes in telemetry, CORS, problem+json, panic handling, body limit, deadline, admission and faults, from
/// the outside in. Tests of a service wrap it in the same.
pub fn public(app: impl Into<App>, limits: Limits) -> Router {
    wrap(app.into(), limits, &Faults::default())
}

pub(crate) fn wrap(
    App {
        routes,
        cors,
        caller,
        hears_deadlines,
        classes,
        ..
    }: App,
    limits: Limits,
    faults: &Faults,
) -> Router {
    let deadline = Deadline {
        limit: limits.timeout,
        heard: hears_deadlines,
        gate: Gate::new(&limits.concurrency, classes),
    };
    let app = routes
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(
            faults.clone(),
            faults::inject,
        ))
        .layer(middleware::from_fn_with_state(deadline, enforce_deadline))
        .layer(RequestBodyLimitLayer::new(limits.body))
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn(render_problems))
        .layer(middleware::from_fn(head::refuse));
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

/// How long a request may take, its time at the gate included.
#[derive(Debug, Clone)]
struct Deadline {
    limit: Duration,
    /// Whether its caller may shorten that.
    heard: bool,
    gate: Option<Gate>,
}

/// Ends a request that takes too long. Where its client took most of that time for a body that never came whole, the client is
/// told so, and nothing of ours has failed.
async fn enforce_deadline(
    State(Deadline { limit, heard, gate }): State<Deadline>,
    request: Request,
    next: Next,
) -> Response {
    let grpc = telemetry::is_rpc(&request);
    let allowed = match deadline::allowed(request.headers(), grpc) {
        Ok(Some(wait)) if heard => wait.min(limit),
        Err(error) if heard => return answer(error, grpc),
        _ => limit,
    };
    let waiting = Waiting::default();
    let version = request.version();
    let request = request.map(|it| waiting.watch(it));
    let until = Instant::now() + allowed;
    let answer_in_time = async {
        match &gate {
            Some(gate) => admission::admit(gate, request, next, until).await,
            None => next.run(request).await,
        }
    };
    let response = deadline::within(until, answer_in_time).await;
    match response {
        // A handler that saw the deadline come may have said so itself.
        Some(response) if response.status() != StatusCode::GATEWAY_TIMEOUT => response,
        _ if waiting.in_vain() > allowed / 2 => {
            let mut response = answer(Error::Incomplete, grpc);
            if version < Version::HTTP_2 {
                // The rest of the body would be taken for the next request (RFC 9110, section 15.5.9).
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
        response => response.unwrap_or_else(|| answer(Error::Timeout, grpc)),
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
    Error::Internal(anyhow::anyhow!("handler panicked: {text}")).into_response()
}

/// The longest explanation taken over from an extractor or a library.
const MAX_DETAIL_BYTES: usize = 1024;

/// Turns every error that is not yet problem+json into it: rejections of axum's extractors, the body limit, libraries. A
/// gRPC caller learns of a panic by a status, as of every other error.
async fn render_problems(request: Request, next: Next) -> Response {
    let grpc = telemetry::is_rpc(&request);
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
        StatusCode::METHOD_NOT_ALLOWED => return "method not allowed for this route".to_owned(),
        _ => (),
    }
    let text = to_bytes(body, MAX_DETAIL_BYTES)
        .await
        .ok()
        .and_then(|it| String::from_utf8(it.into()).ok())
        .filter(|it| !it.is_empty());
    text.map_or_else(
        || status.canonical_reason().unwrap_or("error").to_lowercase(),
        |it| without_values(&it),
    )
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Bytes,
        routing::{any, get, post},
    };
    use futures_util::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn panicking(content_type: &str) -> Response {
        telemetry::serve_rpc(&["test.Service/Call"]);
        let panics = any(async || -> String { panic!("on purpose") });
        let app = Router::new().route("/test.Service/{*rest}", panics);
        let limits = Limits {
            timeout: Duration::from_secs(1),
            body: 1024,
            concurrency: Concurrency::default(),
        };
        let request = Request::post("/test.Service/Call")
            .header(header::CONTENT_TYPE, content_type)
            .body(Body::empty())
            .unwrap();
        let app = public(app, limits);
        app.oneshot(request).await.unwrap()
    }

    const LIMIT: Duration = Duration::from_secs(5);

    fn app(routes: Router) -> App {
        routes.into()
    }

    async fn ask(app: App, request: Request) -> Response {
        let limits = Limits {
            timeout: LIMIT,
            body: 1024,
            concurrency: Concurrency::default(),
        };
        let app = public(app.called_by(telemetry::Caller::Untrusted), limits);
        app.oneshot(request).await.unwrap()
    }

    /// A body of which one part comes after each of these times, and then nothing for ever.
    fn drip<const N: usize>(after: [u64; N]) -> Body {
        let parts = after.into_iter().map(async |it| {
            tokio::time::sleep(Duration::from_secs(it)).await;
            Ok::<_, std::convert::Infallible>("x")
        });
        let parts = stream::iter(parts).then(|it| it);
        Body::from_stream(parts.chain(stream::pending()))
    }

    /// A body that comes whole after so many seconds.
    fn slow(seconds: u64) -> Body {
        Body::from_stream(stream::once(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, std::convert::Infallible>("x")
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_its_clients_fault_and_a_slow_handler_is_ours() {
        let read = async |_: Bytes| "read";
        // What it was told may have been done by then.
        let store = async |_: Bytes| std::future::pending::<()>().await;
        let hang = async |mut body: Body| {
            body.frame().await.unwrap().unwrap();
            std::future::pending::<()>().await;
        };
        // As a handler does whose call to another service took what was left.
        let late = async |mut body: Body| {
            body.frame().await.unwrap().unwrap();
            Error::Timeout
        };
        let routes = Router::new()
            .route("/read", post(read))
            .route("/store", post(store))
            .route("/hang", post(hang))
            .route("/late", post(late));
        for (path, body, status) in [
            ("/read", drip([]), 408),
            ("/read", drip([1, 1, 1]), 408),
            ("/read", "whole".into(), 200),
            ("/hang", drip([4]), 408),
            ("/late", drip([4]), 408),
            ("/store", drip([4]), 408),
            ("/store", slow(4), 504),
            ("/hang", drip([1]), 408),
            ("/late", drip([1]), 408),
            ("/hang", "whole".into(), 504),
        ] {
            let start = Instant::now();
            let request = Request::post(path).body(body).unwrap();
            let answer = ask(app(routes.clone()), request).await;
            assert_eq!(answer.status().as_u16(), status, "{path}");
            assert!(
                start.elapsed() <= LIMIT + Duration::from_millis(10),
                "{path}"
            );
            let closes = answer.headers().contains_key(header::CONNECTION);
            assert_eq!(closes, status == 408);
        }
    }

    #[tokio::test]
    async fn a_deadline_of_nothing_is_the_callers_mistake_and_strangers_set_none() {
        let routes = Router::new().route("/", get(async || "ok"));
        let ask = async |app: App, wait: &str| {
            let request = Request::get("/").header(deadline::TIMEOUT_MS, wait);
            let request = request.body(Body::empty()).unwrap();
            ask(app, request).await.status().as_u16()
        };
        for (wait, status) in [("0", 400), ("soon", 400), ("1000", 200)] {
            let open = app(routes.clone());
            let guarded = open.clone().without_callers_deadlines();
            assert_eq!(ask(open, wait).await, status, "{wait}");
            assert_eq!(ask(guarded, wait).await, 200, "{wait}");
        }
    }

    #[tokio::test]
    async fn a_content_type_alone_gets_no_answer_in_grpc() {
        let panics = async || -> String { panic!("on purpose") };
        let routes = Router::new().route("/docs/{*rest}", get(panics));
        for (path, status) in [("/docs/made-up", 500), ("/nowhere/Method", 404)] {
            let request = Request::get(path).header(header::CONTENT_TYPE, "application/grpc");
            let request = request.body(Body::empty()).unwrap();
            let answer = ask(app(routes.clone()), request).await;
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        }
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
