//! The catalogue as its callers see it, over HTTP and gRPC, with its own database and cache.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use api::{
    Role,
    catalog::{GetProductsRequest, catalog_client::CatalogClient},
};
use catalog::{Config, State, app};
use chassis::{Host, Limits, public};
use clap::Parser as _;
use client::Upstream;
use identity::SigningKey;
use reqwest::{Client, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use testbed::{Databases, on_every_database};

const SEEDED: u32 = 250;

struct Catalog {
    address: SocketAddr,
    client: Client,
    /// What users would sign tokens with.
    key: SigningKey,
    data: Arc<Databases>,
}

impl Catalog {
    async fn serve(data: Databases) -> Self {
        Self::replica(Arc::new(data)).await
    }

    /// One of several that share database and broker, each with a cache of its own that keeps what it has for an hour.
    async fn replica(data: Arc<Databases>) -> Self {
        let database = format!("--database-url={}", data.url("catalog").await);
        let seeded = format!("--seed-products={SEEDED}");
        let broker = format!("--broker-url={}", data.file("broker"));
        let ttl = "--cache-ttl=1h";
        let key = SigningKey::generate();
        let users = format!("--users-addr={}", testbed::publish(key.public()).await);
        let config = Config::parse_from(["catalog", &database, &broker, &seeded, ttl, &users]);
        let state = State::open(&config, &Host::default()).await;
        let app = app(state.expect("what it needs"));
        let app = public(app, Limits::from(&config.chassis));
        let address = testbed::serve(app).await;
        Self {
            address,
            client: Client::builder().no_proxy().build().expect("a client"),
            key,
            data,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.url(path));
        request.send().await.expect("an answer")
    }

    fn token(&self, role: Role) -> String {
        let token = self.key.issue("u-1", role, Duration::from_mins(1));
        token.expect("a token")
    }

    /// As an admin.
    async fn post(&self, body: impl Into<reqwest::Body>) -> Response {
        let request = self.client.post(self.url("/products")).body(body);
        self.as_admin(request).await
    }

    /// As an admin.
    async fn patch(&self, path: &str, body: Value) -> Response {
        let request = self.client.patch(self.url(path)).body(body.to_string());
        self.as_admin(request).await
    }

    async fn as_admin(&self, request: RequestBuilder) -> Response {
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.bearer_auth(self.token(Role::Admin));
        request.send().await.expect("an answer")
    }
}

async fn body(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.expect("JSON")
}

/// Checks that an answer is a problem of this status and returns its detail.
async fn problem(response: Response, status: u16) -> String {
    assert_eq!(response.status().as_u16(), status);
    let kind = &response.headers()[header::CONTENT_TYPE];
    assert_eq!(kind, "application/problem+json");
    let problem: Value = response.json().await.expect("JSON");
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().expect("a detail").to_owned()
}

fn lamp() -> Value {
    json!({ "name": "Lamp", "description": "It shines.", "category": "lighting", "price_cents": 1999 })
}

on_every_database! {
    pages_follow_each_other_without_a_gap_or_a_repeat,
    a_category_lists_only_its_own,
    a_product_is_created_found_and_changed_and_no_old_copy_is_shown,
    only_an_admin_changes_the_catalogue_and_anyone_reads_it,
    what_makes_no_sense_is_refused_with_a_problem,
    grpc_returns_the_products_it_knows,
    the_description_names_every_route,
    what_one_replica_changes_another_serves_soon,
}

async fn pages_follow_each_other_without_a_gap_or_a_repeat(data: Databases) {
    let catalog = Catalog::serve(data).await;
    let mut seen = BTreeSet::new();
    let mut path = "/products?limit=100".to_owned();
    let mut pages = 0;
    loop {
        let page = body(catalog.get(&path).await).await;
        pages += 1;
        for item in page["items"].as_array().expect("items") {
            let id = item["id"].as_str().expect("an id").to_owned();
            assert!(seen.insert(id), "{item} came twice");
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/products?limit=100&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!((pages, seen.len()), (3, SEEDED as usize));
}

async fn a_category_lists_only_its_own(data: Databases) {
    let catalog = Catalog::serve(data).await;
    let page = body(catalog.get("/products?category=toys&limit=100").await).await;
    let items = page["items"].as_array().expect("items");
    assert!(!items.is_empty());
    assert!(items.iter().all(|it| it["category"] == "toys"));
}

async fn a_product_is_created_found_and_changed_and_no_old_copy_is_shown(data: Databases) {
    let catalog = Catalog::serve(data).await;
    let created = catalog.post(lamp().to_string()).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = created.headers()[header::LOCATION]
        .to_str()
        .expect("text")
        .to_owned();
    let created: Value = created.json().await.expect("JSON");
    assert_eq!(created["version"], 1);
    assert_eq!(body(catalog.get(&location).await).await, created);

    let changed = catalog
        .patch(&location, json!({ "price_cents": 1499 }))
        .await;
    let changed = body(changed).await;
    assert_eq!(
        (&changed["version"], &changed["price_cents"]),
        (&json!(2), &json!(1499))
    );
    assert_eq!(changed["name"], "Lamp", "what was not named stays");
    assert_eq!(body(catalog.get(&location).await).await, changed);
}

async fn only_an_admin_changes_the_catalogue_and_anyone_reads_it(data: Databases) {
    let catalog = Catalog::serve(data).await;
    let (new, change) = (lamp(), json!({ "price_cents": 1 }));
    for (token, status) in [
        (None, 401),
        (Some("forged".to_owned()), 401),
        (Some(catalog.token(Role::Shopper)), 403),
    ] {
        for request in [
            catalog.client.post(catalog.url("/products")).json(&new),
            catalog
                .client
                .patch(catalog.url("/products/p-000001"))
                .json(&change),
            // Who may not write does not learn what is wrong with what was written.
            catalog.client.post(catalog.url("/products")).body("{"),
        ] {
            let request = match &token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            problem(request.send().await.expect("an answer"), status).await;
        }
    }
    let untouched = body(catalog.get("/products/p-000001").await).await;
    assert_eq!(untouched["version"], 1);
}

async fn what_makes_no_sense_is_refused_with_a_problem(data: Databases) {
    let catalog = Catalog::serve(data).await;
    for path in [
        "/products?limit=0",
        "/products?limit=101",
        "/products?limit=x",
        "/products?cursor=zzz",
        "/products?colour=red",
    ] {
        problem(catalog.get(path).await, 400).await;
    }
    assert_eq!(
        problem(catalog.get("/products/p-999999").await, 404).await,
        "product not found"
    );
    assert_eq!(
        problem(catalog.get("/nowhere").await, 404).await,
        "route not found"
    );
    problem(catalog.post("{").await, 400).await;
    problem(catalog.post("{}").await, 422).await;
    let mut free = lamp();
    free["price_cents"] = json!(-1);
    problem(catalog.post(free.to_string()).await, 422).await;
    // What one kind of database would take and another not.
    let unheard =
        json!({ "name": "Mug\0", "description": "", "category": "kitchen", "price_cents": 1 });
    problem(catalog.post(unheard.to_string()).await, 422).await;
    for change in [json!({ "name": "Mug\0" }), json!({ "description": "\0" })] {
        problem(catalog.patch("/products/p-000001", change).await, 422).await;
    }
    problem(catalog.get("/products/p-000001%00").await, 404).await;
    problem(catalog.get("/products?cursor=p-000001%00").await, 400).await;
    problem(catalog.get("/products?category=a%00").await, 400).await;
    problem(catalog.post(vec![b' '; 100_000]).await, 413).await;
    problem(
        catalog
            .patch("/products/p-999999", json!({ "name": "x" }))
            .await,
        404,
    )
    .await;
}

async fn grpc_returns_the_products_it_knows(data: Databases) {
    let catalog = Catalog::serve(data).await;
    let address = format!("http://{}", catalog.address)
        .parse()
        .expect("an address");
    let upstream = Upstream::new("catalog", &address, Duration::from_secs(10));
    let mut client = CatalogClient::new(upstream.grpc());
    let ids = ["p-000001", "p-999999", "p-000250"]
        .map(str::to_owned)
        .to_vec();
    let answer = client.get_products(GetProductsRequest { ids }).await;
    let products = answer.expect("an answer").into_inner().products;
    let mut found: Vec<_> = products.iter().map(|it| it.id.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["p-000001", "p-000250"]);

    let ids = vec!["p-000001".to_owned(); api::MAX_IDS + 1];
    let refused = client.get_products(GetProductsRequest { ids }).await;
    assert_eq!(
        refused.expect_err("too many").code(),
        tonic::Code::InvalidArgument
    );
}

async fn the_description_names_every_route(data: Databases) {
    let catalog = Catalog::serve(data).await;
    let document = body(catalog.get("/openapi.json").await).await;
    let paths: Vec<_> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .collect();
    assert_eq!(paths, ["/products", "/products/{id}"]);
}

async fn what_one_replica_changes_another_serves_soon(data: Databases) {
    let one = Catalog::serve(data).await;
    let other = Catalog::replica(Arc::clone(&one.data)).await;
    let path = "/products/p-000001";
    // Whoever begins to listen forgets everything once. From the second change on, both do listen.
    for version in 2..=10 {
        let before = body(other.get(path).await).await;
        assert_eq!(before["version"], version - 1);
        let price = json!({ "price_cents": 1_000 + version });
        let changed = body(one.patch(path, price).await).await;
        let start = Instant::now();
        assert_eq!(body(one.get(path).await).await, changed);
        while body(other.get(path).await).await != changed {
            let waited = start.elapsed();
            assert!(waited < Duration::from_secs(10), "version {version}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
