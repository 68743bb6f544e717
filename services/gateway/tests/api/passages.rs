//! What passes through: in, out, and once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use api::Role;
use axum::{
    Json,
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
    routing::get,
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::*;

#[tokio::test]
async fn identity_claimed_from_outside_stays_outside_and_the_request_id_goes_in() {
    let echo = async |headers: HeaderMap| {
        let names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        let id = headers.get("x-request-id").and_then(|it| it.to_str().ok());
        Json(json!({ "names": names, "id": id }))
    };
    let catalog = listen(Router::new().route("/products", get(echo))).await;
    let shop = Shop::before(&format!("http://{catalog}"), NOWHERE, &[]).await;
    let request = shop
        .request(Method::GET, "/products")
        .header("x-request-id", "mine-1")
        .header("x-user-id", "admin")
        .header("x-forwarded-user", "admin")
        .header("cookie", "session=1")
        .header("accept-language", "de");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    let seen = json_of(answer, 200).await;
    assert_eq!(seen["id"], "mine-1");
    let names: Vec<_> = seen["names"]
        .as_array()
        .expect("names")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for inside in ["accept-language", "traceparent", "x-request-id"] {
        assert!(names.contains(&inside), "{inside} is missing: {names:?}");
    }
    for outside in ["x-user-id", "x-forwarded-user", "cookie"] {
        assert!(!names.contains(&outside), "{outside} went in: {names:?}");
    }
}

/// Answers with what it was asked.
async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: String) -> impl IntoResponse {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let seen = json!({
        "asked": format!("{method} {uri}"),
        "authorization": text("authorization"),
        "content-type": text("content-type"),
        "idempotency-key": text("idempotency-key"),
        "body": body,
    });
    let headers = [("location", "/orders/o-1"), ("x-inside", "stays inside")];
    (StatusCode::ACCEPTED, headers, Json(seen))
}

#[tokio::test]
async fn an_order_goes_in_with_its_token_and_key_and_its_place_comes_out() {
    let orders = listen(Router::new().fallback(echo)).await;
    let key = SigningKey::generate();
    let flags = [&*format!("--orders-addr=http://{orders}")];
    let shop = Shop::guarded(&key, &flags).await;
    let token = key.issue("u-1", Role::Shopper, Duration::from_mins(1));
    let token = token.expect("a token");
    let order = r#"{ "items":  [] }"#;
    let request = shop
        .request(Method::POST, "/orders")
        .bearer_auth(&token)
        .header("idempotency-key", "k-1")
        .header(header::CONTENT_TYPE, "application/json")
        .body(order);
    let answer = answer(request).await;
    assert_eq!(answer.headers()[header::LOCATION], "/orders/o-1");
    assert!(!answer.headers().contains_key("x-inside"));
    let seen = json_of(answer, 202).await;
    let expected = json!({
        "asked": "POST /orders",
        "authorization": format!("Bearer {token}"),
        "content-type": "application/json",
        "idempotency-key": "k-1",
        "body": order,
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn every_passage_leads_to_its_service_with_its_query() {
    let there = listen(Router::new().fallback(echo)).await;
    let there = format!("http://{there}");
    let ways = [
        ("catalog", Method::POST, "/products"),
        ("catalog", Method::GET, "/products?limit=3&category=books"),
        ("catalog", Method::PATCH, "/products/p-000001"),
        ("orders", Method::GET, "/orders?limit=3"),
        ("orders", Method::GET, "/orders/o-1"),
        ("search", Method::GET, "/search?q=oak%20shelf&max_price=900"),
        ("users", Method::POST, "/users"),
        ("users", Method::POST, "/sessions"),
        ("users", Method::GET, "/users/me"),
        ("users", Method::GET, "/.well-known/jwks.json"),
    ];
    for (service, method, path) in ways {
        let shop = Shop::open(&[&format!("--{service}-addr={there}")]).await;
        let seen = json_of(answer(shop.request(method.clone(), path)).await, 202).await;
        assert_eq!(seen["asked"], format!("{method} {path}"));
        let shop = Shop::open(&[&format!("--{service}-addr={NOWHERE}")]).await;
        json_of(answer(shop.request(method, path)).await, 503).await;
    }
}

#[tokio::test]
async fn a_body_over_the_limit_stays_outside() {
    let there = listen(Router::new().fallback(echo)).await;
    let flags = ["orders", "users"].map(|it| format!("--{it}-addr=http://{there}"));
    let shop = Shop::open(&[&flags[0], &flags[1]]).await;
    for path in ["/orders", "/users", "/sessions"] {
        let request = shop.request(Method::POST, path).body(vec![b' '; 100_000]);
        json_of(answer(request).await, 413).await;
    }
}

#[tokio::test]
async fn an_order_is_sent_once_whatever_becomes_of_it() {
    let orders = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = orders.local_addr().expect("its address");
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        // Takes orders and hangs up.
        while let Ok((mut connection, _)) = orders.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = connection.read(&mut [0; 1024]).await;
        }
    });
    let shop = Shop::open(&[&format!("--orders-addr=http://{address}")]).await;
    json_of(shop.post("/orders", &json!({})).await, 503).await;
    assert_eq!(taken.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_service_that_stops_in_the_middle_of_its_answer_is_late() {
    let stalls = async || ([(header::CONTENT_LENGTH, "100")], half());
    let stalls = listen(Router::new().fallback(stalls)).await;
    let slow = format!("http://{stalls}?timeout=100ms");
    let search = format!("--search-addr={slow}");
    let shop = Shop::before(&slow, NOWHERE, &[&search]).await;
    for path in ["/search?q=lamp", "/products", "/products/p-000001"] {
        let problem = json_of(shop.get(path).await, 504).await;
        assert_eq!(problem["title"], "Gateway Timeout", "{path}");
    }
}
