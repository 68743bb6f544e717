//! What callers are told, and what a service does under more than it can.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    routing::{any, get},
};
use futures_util::stream;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tower::ServiceExt as _;

use super::{PATIENCE, fixed, settle};
use crate::{
    App, Limits,
    admission::{Allowed, Class, Concurrency, SHED},
    deadline::TIMEOUT_MS,
    public,
};

fn app(routes: Router) -> App {
    App::from(routes)
        .called_by(telemetry::Caller::Untrusted)
        .worth(Class::Checkout, &["POST /orders"])
        .worth(Class::Browse, &["GET /products/{id}"])
}

fn limits(concurrency: Concurrency) -> Limits {
    Limits {
        timeout: Duration::from_secs(2),
        body: 1024,
        concurrency,
    }
}

fn request(method: &str, path: &str) -> Request {
    let request = Request::builder().method(method).uri(path);
    request.body(Body::empty()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_to_try_again_and_that_nothing_was_done() {
    telemetry::serve_rpc(&["test.Admission/Call"]);
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let handler = any(move || async move {
        count.fetch_add(1, SeqCst);
        std::future::pending::<()>().await;
    });
    let routes = Router::new()
        .route("/products/{id}", handler.clone())
        .route("/test.Admission/{*rest}", handler);
    let app = public(app(routes), limits(fixed(1, 0)));
    let held = tokio::spawn(app.clone().oneshot(request("GET", "/products/7")));
    settle().await;
    let refused = app
        .clone()
        .oneshot(request("GET", "/products/7"))
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let said = |it: &HeaderMap, name: &str| it[name].to_str().unwrap().to_owned();
    assert_eq!(said(refused.headers(), "x-shed"), "full");
    assert_eq!(said(refused.headers(), "retry-after"), "1");
    assert_eq!(
        said(refused.headers(), "content-type"),
        "application/problem+json"
    );

    let mut call = request("POST", "/test.Admission/Call");
    let kind = HeaderValue::from_static("application/grpc");
    call.headers_mut().insert(header::CONTENT_TYPE, kind);
    let refused = app.clone().oneshot(call).await.unwrap();
    let unavailable = (tonic::Code::Unavailable as i32).to_string();
    assert_eq!(said(refused.headers(), "grpc-status"), unavailable);
    assert_eq!(said(refused.headers(), "x-shed"), "full");
    assert_eq!(begun.load(SeqCst), 1);

    let late = held.await.unwrap().unwrap();
    assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(!late.headers().contains_key(SHED), "this one was begun");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_slowly_holds_no_place() {
    let routes = Router::new()
        .route("/orders", any(async |body: String| body))
        .route("/products/{id}", get(async || "a lamp"));
    let app = public(app(routes), limits(fixed(1, 0)));
    let parts = stream::once(async {
        sleep(Duration::from_secs(1)).await;
        Ok::<_, std::convert::Infallible>("a lamp, please")
    });
    let slow = Request::post("/orders")
        .body(Body::from_stream(parts))
        .unwrap();
    let slow = tokio::spawn(app.clone().oneshot(slow));
    settle().await;
    let page = app
        .clone()
        .oneshot(request("GET", "/products/7"))
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let answer = slow.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let long = Body::from_stream(stream::iter([Ok::<_, std::io::Error>(vec![b'x'; 2048])]));
    let long = Request::post("/orders").body(long).unwrap();
    let answer = app.oneshot(long).await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn off_lets_everybody_in() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let slow = get(move || async move {
        count.fetch_add(1, SeqCst);
        sleep(Duration::from_secs(1)).await;
    });
    let settings = Concurrency {
        limit: Allowed::Any,
        ..fixed(1, 0)
    };
    let app = public(
        app(Router::new().route("/products/{id}", slow)),
        limits(settings),
    );
    let asked: Vec<_> = (0..2_000)
        .map(|_| tokio::spawn(app.clone().oneshot(request("GET", "/products/7"))))
        .collect();
    for it in asked {
        assert_eq!(it.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(begun.load(SeqCst), 2_000);
}

/// What one class of requests got.
#[derive(Debug, Default, Clone, Copy)]
struct Got {
    asked: f64,
    good: f64,
    /// The slowest refusal.
    refused_after: Duration,
}

/// A server of sixteen workers that take 160 ms, and so capacity for 100 requests a second, under `rate` of them for 20 s, one in ten a
/// checkout.
async fn overloaded(settings: Concurrency, rate: u64) -> [Got; 2] {
    let workers = Arc::new(Semaphore::new(16));
    let work = move || {
        let workers = Arc::clone(&workers);
        async move {
            let _worker = workers.acquire().await.unwrap();
            sleep(Duration::from_millis(160)).await;
        }
    };
    let routes = Router::new()
        .route("/orders", any(work.clone()))
        .route("/products/{id}", get(work));
    let app = public(app(routes), limits(settings));
    let mut random = fastrand::Rng::with_seed(7);
    let asked: Vec<_> = (0..20 * rate)
        .map(|_| {
            let (app, at) = (app.clone(), Duration::from_micros(random.u64(..20_000_000)));
            let checkout = random.u8(..10) == 0;
            tokio::spawn(async move {
                sleep(at).await;
                let (method, path) = if checkout {
                    ("POST", "/orders")
                } else {
                    ("GET", "/products/7")
                };
                let asked = Instant::now();
                let answer = app.oneshot(request(method, path)).await.unwrap();
                (usize::from(!checkout), answer.status(), asked.elapsed())
            })
        })
        .collect();
    let mut got = [Got::default(); 2];
    for it in asked {
        let (class, status, took) = it.await.unwrap();
        let got = &mut got[class];
        got.asked += 1.0;
        if status.is_success() && took <= Duration::from_millis(500) {
            got.good += 1.0;
        } else {
            got.refused_after = got.refused_after.max(took);
        }
    }
    got
}

#[tokio::test(start_paused = true)]
async fn under_three_times_its_capacity_it_does_what_it_can_and_checkouts_first() {
    let settings = Concurrency::default();
    let [checkout, browse] = overloaded(settings, 300).await;
    let goodput = (checkout.good + browse.good) / 20.0;
    assert!(goodput >= 90.0, "{goodput}/s of 100/s");
    assert!(checkout.good >= 0.99 * checkout.asked, "{checkout:?}");
    assert!(browse.refused_after <= 2 * PATIENCE, "{browse:?}");

    let off = Concurrency {
        limit: Allowed::Any,
        ..settings
    };
    let [checkout, browse] = overloaded(off, 300).await;
    let harmed = (checkout.good + browse.good) / 20.0;
    assert!(
        harmed < goodput / 2.0,
        "without it {harmed}/s, with it {goodput}/s"
    );
}

#[tokio::test(start_paused = true)]
async fn half_of_the_capacity_is_served_without_a_refusal() {
    let [checkout, browse] = overloaded(Concurrency::default(), 50).await;
    for it in [checkout, browse] {
        assert!(it.good >= it.asked, "{it:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_callers_time_that_is_too_short_is_told_apart_from_overload() {
    let slow = get(async || sleep(Duration::from_millis(100)).await);
    let app = public(
        app(Router::new().route("/products/{id}", slow)),
        limits(Concurrency::default()),
    );
    for _ in 0..20 {
        drop(app.clone().oneshot(request("GET", "/products/7")).await);
    }
    let _held = tokio::spawn(app.clone().oneshot(request("GET", "/products/7")));
    settle().await;
    let mut hurried = request("GET", "/products/7");
    hurried.headers_mut().insert(TIMEOUT_MS, 50.into());
    let answer = app.oneshot(hurried).await.unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.headers()[SHED], "too_late");
    assert!(!answer.headers().contains_key(header::RETRY_AFTER));
}
