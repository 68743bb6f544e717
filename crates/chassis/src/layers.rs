//! What stands between the network and a service's own routes.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody as _, to_bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, Version, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use http_body_util::Limited;
use tokio::time::Instant;
use tower::{ServiceBuilder, util::option_layer};

use crate::{
    App, Concurrency, Config, Error, Problem,
    admission::{self, Gate},
    body::Waiting,
    deadline,
    error::PROBLEM_JSON,
    explanation::without_values,
    faults::Faults,
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

/// Wraps a service's routes in telemetry, CORS, the check of the head, problem+json, panic handling, body limit, deadline, admission
/// and faults, from the outside in. Tests of a service wrap it in the same.
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
    let guard = Arc::new(Guard {
        limits,
        hears_deadlines,
        gate: Gate::new(&limits.concurrency, classes),
        faults: faults.clone(),
    });
    // One layer with all of it: axum clones and boxes each for every request, with whatever is inside.
    let app = routes.layer(
        ServiceBuilder::new()
            .layer(option_layer(cors))
            .layer(from_fn_with_state(guard, serve))
            .layer(DefaultBodyLimit::disable()),
    );
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

/// What a request has to pass.
#[derive(Debug)]
struct Guard {
    limits: Limits,
    /// Whether a caller may shorten the time of its request.
    hears_deadlines: bool,
    gate: Option<Gate>,
    faults: Faults,
}

/// Serves a request, whatever is wrong with it, and whatever becomes of it.
async fn serve(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if let Some(error) = head::refusal(&request) {
        return error.into_response();
    }
    let grpc = telemetry::is_rpc(&request);
    let answer = AssertUnwindSafe(guard.serve_in_time(request, next, grpc)).catch_unwind();
    let answer = answer.await.unwrap_or_else(|it| answer_panic(it.as_ref()));
    render_problem(answer, grpc).await
}

impl Guard {
    /// Ends a request that takes too long, its time at the gate included. Where its client took most of that time for a body that
    /// never came whole, the client is told so, and nothing of ours has failed.
    async fn serve_in_time(&self, request: Request, next: Next, grpc: bool) -> Response {
        let Limits { timeout, body, .. } = self.limits;
        if request.body().size_hint().lower() > body as u64 {
            return answer(Error::TooLarge, grpc);
        }
        let allowed = match deadline::allowed(request.headers(), grpc) {
            Ok(Some(wait)) if self.hears_deadlines => wait.min(timeout),
            Err(error) if self.hears_deadlines => return answer(error, grpc),
            _ => timeout,
        };
        let version = request.version();
        // Most requests have no body that could be waited for.
        let waiting = (!request.body().is_end_stream()).then(Waiting::default);
        let request = match &waiting {
            Some(waiting) => request.map(|it| waiting.watch(Body::new(Limited::new(it, body)))),
            None => request,
        };
        let until = Instant::now() + allowed;
        let response = deadline::within(until, self.admit(request, next, until)).await;
        match response {
            // A handler that saw the deadline come may have said so itself.
            Some(response) if response.status() != StatusCode::GATEWAY_TIMEOUT => response,
            _ if waiting.is_some_and(|it| it.in_vain() > allowed / 2) => {
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

    /// Serves a request that there is room for; the faults of its route happen to it then.
    async fn admit(&self, request: Request, next: Next, until: Instant) -> Response {
        let serve = |request| self.faults.inject(request, next);
        match &self.gate {
            Some(gate) => admission::admit(gate, request, serve, until).await,
            None => serve(request).await,
        }
    }
}

fn answer_panic(panic: &(dyn Any + Send)) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::Internal(anyhow::anyhow!("handler panicked: {text}")).into_response()
}

/// The longest explanation taken over from an extractor or a library.
const MAX_DETAIL_BYTES: usize = 1024;

/// Turns an error that is not yet problem+json into it: rejections of axum's extractors, the body limit, libraries. A
/// gRPC caller learns of a panic by a status, as of every other error.
async fn render_problem(response: Response, grpc: bool) -> Response {
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
