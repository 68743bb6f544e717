//! Which requests are calls, what names them, and which traces are kept.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    Extension,
    body::HttpBody,
    http::StatusCode,
    routing::{get, post},
};
use http::header::CONTENT_TYPE;
use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};
use tower::ServiceExt as _;

use super::*;
use crate::{CutOff, sampler::Sampler};

const METHODS: [&str; 3] = ["test.Broken/Call", "test.Absent/Other", "test.Html/Other"];
const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// Calls a gRPC method that answers with these headers.
async fn call(method: &str, answer: [(&'static str, &'static str); 2]) {
    crate::serve_rpc(&METHODS);
    let route = format!("/{}/{{*rest}}", method.split('/').next().unwrap());
    let app = Router::new().route(&route, post(async move || (answer, ())));
    let request = Request::post(format!("/{method}"))
        .header(CONTENT_TYPE, "application/grpc")
        .body(Body::empty())
        .unwrap();
    let app = observe(app, Caller::Trusted);
    drop(app.oneshot(request).await.unwrap());
}

fn counted(method: &'static str, status: &'static str) -> bool {
    let error_type = if rpc::is_server_error(status) {
        status
    } else {
        ""
    };
    let labels = Labels([
        (names::RPC_SYSTEM_NAME, "grpc".into()),
        (names::RPC_METHOD, method.into()),
        (names::RPC_RESPONSE_STATUS_CODE, status.into()),
        (names::ERROR_TYPE, error_type.into()),
    ]);
    RPC_DURATION.get(&labels).is_some()
}

#[tokio::test]
async fn only_a_method_that_may_not_exist_is_counted_without_its_name() {
    call("test.Broken/Call", [GRPC, ("grpc-status", "2")]).await;
    call("test.Absent/Call", [GRPC, ("grpc-status", "12")]).await;
    call("test.Html/Call", [("content-type", "text/html"), ("x", "")]).await;
    assert!(counted("test.Broken/Call", "UNKNOWN"));
    assert!(counted("_OTHER", "UNIMPLEMENTED") && counted("_OTHER", "UNKNOWN"));
    assert!(!counted("test.Absent/Call", "UNIMPLEMENTED"));
    assert!(!counted("test.Html/Call", "UNKNOWN"));
}

#[tokio::test]
async fn a_made_up_method_makes_no_series_whatever_its_answer() {
    for status in ["0", "4", "16"] {
        call("test.Absent/Made", [GRPC, ("grpc-status", status)]).await;
    }
    for status in ["OK", "DEADLINE_EXCEEDED", "UNAUTHENTICATED"] {
        assert!(counted("_OTHER", status) && !counted("test.Absent/Made", status));
    }
}

#[tokio::test]
async fn only_the_route_of_a_grpc_service_makes_a_call_and_no_content_type_alone() {
    crate::serve_rpc(&METHODS);
    let rpc = async |request: Request| is_rpc(&request).to_string();
    let route = || post(rpc).get(rpc);
    let app = Router::new()
        .route("/docs/{*rest}", route())
        .route("/test.Broken/{*rest}", route());
    let app = observe(app, Caller::Trusted);
    for (path, kind, is) in [
        ("/docs/made-up", "application/grpc", "false"),
        ("/test.Broken/Call", "application/grpc", "true"),
        ("/test.Broken/Call", "text/plain", "false"),
    ] {
        let request = Request::get(path).header(CONTENT_TYPE, kind);
        let request = request.body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 8).await.unwrap();
        assert_eq!(body, is, "{path} {kind}");
    }
    assert!(!counted("docs/made-up", "UNKNOWN"));
}

/// Whether a request at `route` was recorded so.
fn recorded(route: &str, status: u16, error_type: &'static str) -> bool {
    let labels = Labels([
        (names::HTTP_REQUEST_METHOD, "GET".into()),
        (names::URL_SCHEME, SCHEME.into()),
        (names::HTTP_ROUTE, route.to_owned().into()),
        (names::HTTP_RESPONSE_STATUS_CODE, status.to_string().into()),
        (names::ERROR_TYPE, error_type.into()),
    ]);
    route::HTTP_DURATION.get(&labels).is_some()
}

/// A body that gives one part, and then fails.
struct Half(bool);

impl HttpBody for Half {
    type Data = axum::body::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let frame = if std::mem::replace(&mut self.0, true) {
            Err(std::io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(http_body::Frame::data("half".into()))
        };
        Poll::Ready(Some(frame))
    }
}

#[tokio::test]
async fn a_request_is_over_when_its_answer_is_and_recorded_as_that_ended() {
    let answer = async |route: &'static str| {
        let app = Router::new()
            .route("/broken", get(async || Body::new(Half(false))))
            .route("/empty", get(async || ()))
            .route(
                "/crowded",
                get(async || (StatusCode::SERVICE_UNAVAILABLE, Extension(Shed))),
            )
            .route("/read", get(async || "whole"))
            .route("/left", get(async || "whole"))
            .route("/unread", get(async || "whole"))
            .route("/unsent", get(async || "whole"));
        let request = Request::get(route).body(Body::empty()).unwrap();
        let answer = observe(app, Caller::Trusted).oneshot(request).await;
        answer.unwrap().into_body()
    };
    let read = async |body: Body| axum::body::to_bytes(body, 8).await;

    let body = answer("/read").await;
    assert!(!recorded("/read", 200, ""), "it has only begun");
    assert_eq!(read(body).await.unwrap(), "whole");
    assert!(recorded("/read", 200, ""));

    drop(answer("/left").await);
    assert!(recorded("/left", 499, "cancelled"));
    crate::cut_off(answer("/unread").await, CutOff::Stalled);
    assert!(recorded("/unread", 499, "stalled"));

    let mut body = answer("/unsent").await;
    let all = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
    assert!(all.unwrap().is_ok() && body.is_end_stream());
    crate::cut_off(body, CutOff::Stalled);
    assert!(recorded("/unsent", 499, "stalled") && !recorded("/unsent", 200, ""));

    assert!(read(answer("/broken").await).await.is_err());
    assert!(recorded("/broken", 500, "io") && !recorded("/broken", 200, ""));
    drop(read(answer("/crowded").await).await);
    assert!(recorded("/crowded", 503, "shed") && !recorded("/crowded", 503, "503"));
    let empty = answer("/empty").await;
    assert!(recorded("/empty", 200, ""), "nothing is left to send");
    drop(empty);
    assert!(!recorded("/empty", 499, "cancelled"));
}

#[test]
fn whoever_chooses_the_id_of_a_trace_does_not_choose_whether_it_is_kept() {
    let sampler = Sampler::new(true, 0.5);
    let kept = |caller: Caller, id: u128, flags: u8| {
        let (trace, flags) = (TraceId::from(id), TraceFlags::new(flags));
        let state = TraceState::default();
        let parent = SpanContext::new(trace, SpanId::from(1), flags, true, state);
        let keeps = || caller.keeps(sampler, trace, Some(&parent));
        (0..1_000).filter(|_| keeps()).count()
    };
    for (id, flags) in [(1, 0), (1, 1), (u128::MAX, 0), (u128::MAX, 1)] {
        // Six standard deviations of a binomial with n = 1,000 and p = 0.5.
        let kept = kept(Caller::Untrusted, id, flags);
        assert!((405..=595).contains(&kept), "{id} {flags}: {kept}");
    }
    assert_eq!(kept(Caller::Trusted, u128::MAX, 1), 1_000);
    assert_eq!(kept(Caller::Trusted, 1, 0), 0);
}

#[tokio::test]
async fn a_trace_from_outside_is_kept_as_often_as_any() {
    let sampled = async || CURRENT.with(|it| it.span.is_sampled()).to_string();
    let app = observe(
        Router::new().route("/kept", get(sampled)),
        Caller::Untrusted,
    );
    for id in [
        "00000000000000000000000000000001",
        "ffffffffffffffffffffffffffffffff",
    ] {
        let mut kept = 0;
        for _ in 0..1_000 {
            let request = Request::get("/kept")
                .header("traceparent", format!("00-{id}-0000000000000001-01"))
                .body(Body::empty())
                .unwrap();
            let answer = app.clone().oneshot(request).await.unwrap();
            let body = axum::body::to_bytes(answer.into_body(), 8).await.unwrap();
            kept += usize::from(body == "true");
        }
        // Six standard deviations of a binomial with n = 1,000 and p = 0.1, which is the default.
        assert!((43..=157).contains(&kept), "{id}: {kept}");
    }
}

/// Counts how often it is laid around something.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl<S> Layer<S> for Counted {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        self.0.fetch_add(1, Ordering::Relaxed);
        inner
    }
}

#[tokio::test]
async fn a_route_is_wrapped_once_and_not_for_every_request() {
    let counted = Counted::default();
    let times = || counted.0.load(Ordering::Relaxed);
    let routes = Router::new().route("/wrapped", get(async || "once"));
    let app = observe(routes.layer(counted.clone()), Caller::Trusted);
    let before = times();
    for _ in 0..3 {
        let request = Request::get("/wrapped").body(Body::empty()).unwrap();
        drop(app.clone().oneshot(request).await.unwrap());
    }
    assert_eq!(times(), before);
}
