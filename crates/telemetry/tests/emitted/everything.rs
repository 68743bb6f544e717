//! Emits every kind of telemetry, with each of its endings.

use std::{io::Write as _, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
    routing::any,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use telemetry::{Caller, ClientCall, DbFailure, Delivered, Origin, Sending, Server};
use tower::ServiceExt as _;

/// Lines go to standard output, spans where the environment says, and the metrics to standard error in the end.
pub(crate) async fn emit() {
    let telemetry = telemetry::init("test", "1.2.3", None).expect("the first time");
    telemetry::serve_rpc(&["test.Things/Get", "test.Things/Break"]);
    tracing::info!(
        count = 7,
        ratio = 0.5,
        whole = true,
        dotted.name = "x",
        "started"
    );
    serve().await;
    call();
    use_database("7").await.expect("it is there");
    handle_events().await;
    let metrics = telemetry.router();
    telemetry.shutdown(Duration::from_secs(10)).await;
    let request = Request::get("/metrics")
        .header(header::ACCEPT, "application/openmetrics-text")
        .body(Body::empty());
    let answer = metrics.oneshot(request.expect("valid")).await;
    let body = answer.expect("infallible").into_body();
    let text = to_bytes(body, usize::MAX).await.expect("it is in memory");
    let mut output = std::io::stderr();
    output.write_all(&text).expect("who started it reads");
}

async fn serve() {
    let grpc = |status: &'static str| {
        move || async move {
            let headers = [
                ("content-type", "application/grpc"),
                ("grpc-status", status),
            ];
            (headers, ())
        }
    };
    let app = Router::new()
        .route(
            "/ok/{id}",
            any(async || {
                tracing::warn!(error = "of a kind", "said while a request is served");
                use_database("7").await.expect("it is there");
            }),
        )
        .route("/broken", any(async || StatusCode::BAD_GATEWAY))
        .route(
            "/crowded",
            any(async || (StatusCode::SERVICE_UNAVAILABLE, Extension(telemetry::Shed))),
        )
        .route("/test.Things/{*rest}", any(grpc("0")))
        .fallback(async || StatusCode::NOT_FOUND);
    let app = telemetry::observe(app, Caller::Trusted);
    let ask = async |method: &str, path: &str, kind: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, kind);
        let answer = app
            .clone()
            .oneshot(request.body(Body::empty()).expect("valid"));
        let body = answer.await.expect("infallible").into_body();
        to_bytes(body, 1024).await.expect("it is in memory");
    };
    ask("GET", "/ok/7?secret=1", "text/plain").await;
    ask("GET", "/broken", "text/plain").await;
    ask("GET", "/crowded", "text/plain").await;
    ask("GET", "/nowhere", "text/plain").await;
    ask("BREW", "/ok/7", "text/plain").await;
    ask("BREW", "/nowhere", "text/plain").await;
    ask("POST", "/test.Things/Get", "application/grpc").await;
    ask("POST", "/test.Things/Made", "application/grpc").await;
    let failing = Router::new().route("/test.Things/{*rest}", any(grpc("14")));
    let request =
        Request::post("/test.Things/Get").header(header::CONTENT_TYPE, "application/grpc");
    let answer = telemetry::observe(failing, Caller::Trusted)
        .oneshot(request.body(Body::empty()).expect("valid"));
    drop(answer.await.expect("infallible"));
    // A caller that goes away before the answer.
    let silent = Router::new().route("/ok/{id}", any(std::future::pending::<()>));
    let request = Request::get("/ok/7").body(Body::empty()).expect("valid");
    let answer = telemetry::observe(silent, Caller::Trusted).oneshot(request);
    let gone = tokio::time::timeout(Duration::from_millis(1), answer).await;
    assert!(gone.is_err(), "nothing answers");
}

fn call() {
    let named = Server {
        name: "things",
        port: Some(80),
    };
    let found = Server {
        port: None,
        ..named
    };
    for server in [named, found] {
        for method in [Method::GET, Method::from_bytes(b"BREW").expect("a token")] {
            for status in [200, 404, 503] {
                let status = StatusCode::from_u16(status).expect("valid");
                http(server, &method).finish(status, &HeaderMap::new(), None);
            }
        }
        http(server, &Method::GET).fail("timeout");
        drop(http(server, &Method::GET));
        for status in ["0", "5"] {
            let kind = HeaderValue::from_static("application/grpc");
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
            let status = HeaderValue::from_static(status);
            let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), status)]);
            rpc(server).finish(StatusCode::OK, &headers, Some(&trailers));
        }
        rpc(server).fail("connect");
        let mut again = http(server, &Method::GET);
        again.resent(1);
        again.finish(StatusCode::OK, &HeaderMap::new(), None);
        for call in [
            ClientCall::http(server, &Method::GET, "/ok/{id}", "/ok/7"),
            ClientCall::rpc(server, "/test.Things/Get"),
        ] {
            call.reject("breaker_open");
        }
    }
}

fn http(server: Server, method: &Method) -> ClientCall {
    let mut call = ClientCall::http(server, method, "/ok/{id}", "/ok/7");
    call.replica(([127, 0, 0, 1], 4711).into());
    call.inject(&mut HeaderMap::new());
    call
}

fn rpc(server: Server) -> ClientCall {
    let mut call = ClientCall::rpc(server, "/test.Things/Get");
    call.replica(([127, 0, 0, 1], 4711).into());
    call
}

/// One operation that is done and three that are not.
async fn use_database(code: &'static str) -> Result<(), ()> {
    let refused = |(): &()| DbFailure::Code(code.into());
    let late = |(): &()| DbFailure::Reason("timeout");
    for collection in ["things", ""] {
        let gone = async { Err::<(), _>(()) };
        let _ = telemetry::db("sqlite", "SELECT", collection, refused, gone).await;
        let gone = async { Err::<(), _>(()) };
        let _ = telemetry::db("sqlite", "SELECT", collection, late, gone).await;
    }
    telemetry::db("sqlite", "SELECT", "things", late, async { Ok(()) }).await
}

async fn handle_events() {
    let send = |origin: &Origin| Sending::start("sqlite", "thing.made", "e-1", origin);
    let sending = send(&Origin {
        request_id: Some("r-1".into()),
        ..Origin::default()
    });
    let delivered = Delivered {
        system: "sqlite",
        queue: "things",
        kind: "thing.made".into(),
        id: "e-1".into(),
        origin: sending.origin(),
    };
    sending.finish();
    drop(send(&Origin::default()));
    let done = async {
        tracing::info!("said while an event is processed");
        Ok::<_, ()>(())
    };
    let _ = telemetry::process(delivered.clone(), done, |()| "").await;
    let failed = async { Err::<(), _>(()) };
    let _ = telemetry::process(delivered, failed, |()| "timeout").await;
}
