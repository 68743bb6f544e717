//! The gateway as shoppers see it, before a real catalogue and a real inventory, and before ones that misbehave.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use chassis::{Limits, public};
use clap::Parser as _;
use gateway::{Config, Upstreams};
use reqwest::{Client, Method, RequestBuilder, Response, header};
use serde_json::{Value, json};
use telemetry::Caller;
use tempfile::TempDir;

/// Nobody listens there: port 1 is reserved.
const NOWHERE: &str = "http://127.0.0.1:1";

async fn listen(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn limits() -> Limits {
    Limits {
        timeout: Duration::from_secs(10),
        body: 65536,
    }
}

async fn real_catalog(data: &TempDir) -> String {
    let url = format!("--database-url=sqlite:{}/catalog.db", data.path().display());
    let config = catalog::Config::parse_from(["catalog", &url]);
    let store = catalog::Store::open(&config).await.expect("a store");
    let app = public(catalog::app(store), limits(), Caller::Trusted);
    format!("http://{}", listen(app).await)
}

async fn real_inventory(data: &TempDir) -> String {
    let url = format!("sqlite:{}/inventory.db", data.path().display());
    let url = url.parse().expect("a URL");
    let store = inventory::Store::open(&url, 1000).await.expect("a store");
    let app = public(inventory::app(store), limits(), Caller::Trusted);
    format!("http://{}", listen(app).await)
}

/// A gateway and its client.
struct Shop {
    gateway: SocketAddr,
    client: Client,
}

impl Shop {
    async fn before(catalog: &str, inventory: &str, flags: &[&str]) -> Self {
        let (catalog, inventory) = (
            format!("--catalog-addr={catalog}"),
            format!("--inventory-addr={inventory}"),
        );
        let own = ["gateway", &catalog, &inventory];
        let config = Config::parse_from(own.iter().chain(flags));
        let app = gateway::app(&config, Upstreams::new(&config)).expect("a gateway");
        Self {
            gateway: listen(public(app, limits(), Caller::Untrusted)).await,
            client: Client::builder().no_proxy().build().expect("a client"),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.gateway);
        self.client.request(method, url)
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.request(Method::GET, path);
        request.send().await.expect("an answer")
    }
}

async fn json_of(response: Response, status: u16) -> Value {
    assert_eq!(response.status().as_u16(), status);
    if status >= 400 {
        let kind = &response.headers()[header::CONTENT_TYPE];
        assert_eq!(kind, "application/problem+json");
    }
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn a_product_page_joins_catalogue_and_inventory() {
    let data = tempfile::tempdir().expect("a directory");
    let (catalog, inventory) = (real_catalog(&data).await, real_inventory(&data).await);
    let shop = Shop::before(&catalog, &inventory, &[]).await;
    let answer = shop.get("/products/p-000001").await;
    assert_eq!(answer.headers()["x-product-version"], "1");
    let page = json_of(answer, 200).await;
    assert_eq!(page["id"], "p-000001");
    assert_eq!(page["availability"], "in_stock");
    let list = json_of(shop.get("/products?limit=3&category=books").await, 200).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(3));

    let problem = json_of(shop.get("/products/p-999999").await, 404).await;
    assert_eq!(problem["detail"], "product not found");
    for path in ["/products?cursor=zzz", "/products?limit=0"] {
        json_of(shop.get(path).await, 400).await;
    }
    json_of(shop.get("/nowhere").await, 404).await;
}

#[tokio::test]
async fn without_inventory_the_page_says_unknown_and_without_catalogue_there_is_none() {
    let data = tempfile::tempdir().expect("a directory");
    let catalog = real_catalog(&data).await;
    let shop = Shop::before(&catalog, NOWHERE, &[]).await;
    let page = json_of(shop.get("/products/p-000001").await, 200).await;
    assert_eq!(page["availability"], "unknown");

    let inventory = real_inventory(&data).await;
    let shop = Shop::before(NOWHERE, &inventory, &[]).await;
    for path in ["/products/p-000001", "/products"] {
        let problem = json_of(shop.get(path).await, 503).await;
        assert_eq!(problem["title"], "Service Unavailable");
    }
}

#[tokio::test]
async fn an_inventory_that_hangs_costs_its_timeout_and_no_more() {
    let data = tempfile::tempdir().expect("a directory");
    let catalog = real_catalog(&data).await;
    let hangs = listen(Router::new().fallback(async || {
        std::future::pending::<()>().await;
    }))
    .await;
    let hangs = format!("http://{hangs}");
    let shop = Shop::before(&catalog, &hangs, &["--inventory-timeout=50ms"]).await;
    let page = json_of(shop.get("/products/p-000001").await, 200).await;
    assert_eq!(page["availability"], "unknown");
}

#[tokio::test]
async fn one_client_is_limited_and_another_is_not() {
    let data = tempfile::tempdir().expect("a directory");
    let (catalog, inventory) = (real_catalog(&data).await, real_inventory(&data).await);
    let flags = ["--rate-limit=1", "--rate-burst=5", "--trust-forwarded-for"];
    let shop = Shop::before(&catalog, &inventory, &flags).await;
    let ask = async |client: &str| {
        let request = shop.request(Method::GET, "/");
        let request = request.header("x-forwarded-for", format!("203.0.113.9, {client}"));
        request.send().await.expect("an answer")
    };
    for _ in 0..5 {
        assert_eq!(ask("198.51.100.1").await.status(), StatusCode::OK);
    }
    let refused = ask("198.51.100.1").await;
    let wait: u64 = refused.headers()[header::RETRY_AFTER]
        .to_str()
        .expect("text")
        .parse()
        .expect("seconds");
    assert!((1..=5).contains(&wait), "{wait}");
    json_of(refused, 429).await;
    assert_eq!(ask("198.51.100.2").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_client_cannot_choose_its_address_unless_a_proxy_is_trusted() {
    let data = tempfile::tempdir().expect("a directory");
    let catalog = real_catalog(&data).await;
    let shop = Shop::before(&catalog, NOWHERE, &["--rate-limit=1", "--rate-burst=1"]).await;
    let mut statuses = Vec::new();
    for client in ["198.51.100.1", "198.51.100.2"] {
        let request = shop
            .request(Method::GET, "/")
            .header("x-forwarded-for", client);
        statuses.push(request.send().await.expect("an answer").status().as_u16());
    }
    assert_eq!(statuses, [200, 429]);
}

#[tokio::test]
async fn only_listed_origins_may_call_from_a_browser() {
    let shop = Shop::before(
        NOWHERE,
        NOWHERE,
        &["--cors-allow-origin=https://shop.example"],
    )
    .await;
    let preflight = async |origin: &str| {
        let request = shop
            .request(Method::OPTIONS, "/products")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET");
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success());
        answer
            .headers()
            .get(header::ACCESS_CONTROL_ALLOW_ORIGIN)
            .cloned()
    };
    assert_eq!(
        preflight("https://shop.example").await.expect("allowed"),
        "https://shop.example"
    );
    assert_eq!(preflight("https://evil.example").await, None);
}

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

#[tokio::test]
async fn the_merged_description_and_its_page_need_nothing_from_elsewhere() {
    let data = tempfile::tempdir().expect("a directory");
    let (catalog, inventory) = (real_catalog(&data).await, real_inventory(&data).await);
    let shop = Shop::before(&catalog, &inventory, &[]).await;
    let document = json_of(shop.get("/openapi.json").await, 200).await;
    let paths: Vec<_> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .collect();
    assert!(
        ["/products", "/products/{id}"]
            .iter()
            .all(|it| paths.iter().any(|path| path == it)),
        "{paths:?}"
    );
    let page = shop.get("/docs/").await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.expect("text");
    assert!(
        !page.contains("src=\"http") && !page.contains("href=\"http"),
        "{page}"
    );
    json_of(shop.get("/").await, 200).await;
}
