//! How an index is filled at a server that has too much to do: one that we play ourselves.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::{Value, json};

use crate::open;

const PRODUCTS: usize = 2_500;
/// What has not been written by then never will be.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server has seen of bulk calls.
#[derive(Default)]
struct Seen {
    /// Calls that are being answered, and the most at once.
    now: usize,
    most: usize,
    /// Products and bytes of each.
    calls: Vec<(usize, usize)>,
    taken: usize,
}

type Shared = Arc<Mutex<Seen>>;

/// Refuses the first call, and of the second every other product.
async fn bulk(State(seen): State<Shared>, body: String) -> Response {
    let products = body.lines().count() / 2;
    let call = {
        let mut seen = seen.lock().expect("no panic");
        seen.calls.push((products, body.len()));
        seen.now += 1;
        seen.most = seen.most.max(seen.now);
        seen.calls.len()
    };
    tokio::task::yield_now().await;
    let mut seen = seen.lock().expect("no panic");
    seen.now -= 1;
    if call == 1 {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let refused = |it: usize| call == 2 && it % 2 == 1;
    let item = |it| {
        if refused(it) {
            let error = json!({"type": "es_rejected_execution_exception"});
            return json!({"index": {"status": 429, "error": error}});
        }
        json!({"index": {"status": 201}})
    };
    seen.taken += (0..products).filter(|&it| !refused(it)).count();
    let items: Vec<_> = (0..products).map(item).collect();
    Json(json!({ "items": items })).into_response()
}

async fn anything_else(uri: Uri) -> Json<Value> {
    if uri.path() == "/_nodes" {
        return Json(json!({"nodes": {"a": {"version": "0"}}}));
    }
    Json(json!({}))
}

#[tokio::test]
async fn products_go_as_fast_as_they_are_taken_and_what_is_refused_comes_again() {
    let seen = Shared::default();
    let app = Router::new()
        .route("/_bulk", post(bulk))
        .fallback(anything_else)
        .with_state(Arc::clone(&seen));
    let address = testbed::serve(app).await;
    let url = format!("http://{address}");
    let opening = tokio::time::timeout(PATIENCE, open(&url, PRODUCTS as u64));
    opening.await.expect("an index");

    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.taken, PRODUCTS);
    assert_eq!(seen.most, 1, "one call at a time");
    for &(products, bytes) in &seen.calls {
        assert!(products <= 1_000 && bytes < 1_100_000, "{:?}", seen.calls);
    }
    let [first, second, third, ..] = seen.calls[..] else {
        panic!("{:?}", seen.calls);
    };
    assert_eq!(second, first, "all of it again");
    assert_eq!(third.0, second.0 / 2, "only what was refused");
}
