//! The shop in one process, as its clients see it.

mod flags;

use std::{path::Path, time::Duration};

use chassis::{Concurrency, Door, Host, Limits};
use monolith::{Config, compose};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The shop, serving; and where.
async fn shop(dir: &Path) -> (Host, String) {
    let config = Config::read(flags::of(dir)).expect("flags");
    let host = Host::default();
    let app = compose(&config, &host).await.expect("a shop");
    let limits = Limits {
        timeout: Duration::from_secs(30),
        body: 64 * 1024,
        concurrency: Concurrency::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    let (stop, drain) = (CancellationToken::new(), Duration::ZERO);
    let routes = chassis::public(app, limits);
    tokio::spawn(chassis::serve(
        listener,
        routes,
        Door::inner(64),
        stop,
        drain,
    ));
    (host, address)
}

async fn sent(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_placed_paid_and_confirmed_in_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let (host, shop) = shop(dir.path()).await;
    let http = Client::new();
    let account =
        json!({ "email": "ada@shop.example", "password": "correct horse battery staple" });
    let (status, said) = sent(http.post(format!("{shop}/users")).json(&account)).await;
    assert!(status.is_success(), "{said}");
    let (_, login) = sent(http.post(format!("{shop}/sessions")).json(&account)).await;
    let token = login["token"].as_str().expect("a token");

    let (_, found) = sent(http.get(format!("{shop}/search?q=lamp"))).await;
    assert!(
        found["hits"].as_array().is_some_and(|it| !it.is_empty()),
        "{found}"
    );
    let (_, products) = sent(http.get(format!("{shop}/products"))).await;
    let product = products["items"][0]["id"].as_str().expect("a product");
    let (_, page) = sent(http.get(format!("{shop}/products/{product}"))).await;
    assert_eq!(page["availability"], "in_stock", "{page}");

    let order = json!({ "items": [{ "product_id": product, "quantity": 1 }], "card_number": "4242424242424242" });
    let place = http
        .post(format!("{shop}/orders"))
        .bearer_auth(token)
        .header("idempotency-key", "one")
        .json(&order);
    let (status, placed) = sent(place).await;
    assert_eq!(status, 202, "{placed}");
    let id = placed["id"].as_str().expect("an id");
    testbed::eventually("the order is confirmed", async || {
        let asked = http.get(format!("{shop}/orders/{id}")).bearer_auth(token);
        sent(asked).await.1["status"] == "confirmed"
    })
    .await;
    host.finish_work(Duration::from_secs(10)).await;
    assert_eq!(host.failure(), None);
}
