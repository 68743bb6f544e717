//! What is composed here: the product page and the description of the whole.

use axum::{Json, http::StatusCode, routing::get};

use super::*;

#[tokio::test]
async fn a_product_page_joins_catalogue_and_inventory() {
    let data = directory();
    let (catalog, inventory) = (
        real_catalog(&data, &nobodys_key().await).await,
        real_inventory(&data).await,
    );
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
    let data = directory();
    let catalog = real_catalog(&data, &nobodys_key().await).await;
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
    let data = directory();
    let catalog = real_catalog(&data, &nobodys_key().await).await;
    let hangs = listen(Router::new().fallback(async || {
        std::future::pending::<()>().await;
    }))
    .await;
    let hangs = format!("http://{hangs}");
    let shop = Shop::before(&catalog, &format!("{hangs}?timeout=50ms"), &[]).await;
    let page = json_of(shop.get("/products/p-000001").await, 200).await;
    assert_eq!(page["availability"], "unknown");
}

#[tokio::test]
async fn an_inventory_that_stops_in_the_middle_costs_its_timeout_too() {
    let data = directory();
    let catalog = real_catalog(&data, &nobodys_key().await).await;
    let stalls = async || ([(header::CONTENT_TYPE, "application/grpc")], half());
    let stalls = listen(Router::new().fallback(stalls)).await;
    let inventory = format!("http://{stalls}?timeout=50ms");
    let shop = Shop::before(&catalog, &inventory, &[]).await;
    let page = json_of(shop.get("/products/p-000001").await, 200).await;
    assert_eq!(page["availability"], "unknown");
}

#[tokio::test]
async fn the_merged_description_and_its_page_need_nothing_from_elsewhere() {
    let data = directory();
    let (catalog, inventory) = (
        real_catalog(&data, &nobodys_key().await).await,
        real_inventory(&data).await,
    );
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
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none';"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "max-age"),
    ] {
        let said = page.headers()[&name].to_str().expect("text");
        assert!(said.contains(value), "{name}: {said}");
    }
    let page = page.text().await.expect("text");
    let scripts = page.split("<script").skip(1);
    assert!(scripts.clone().count() > 0, "{page}");
    for script in scripts {
        assert!(
            script.contains("src=\""),
            "the policy lets no other run: {script}"
        );
    }
    assert!(
        !page.contains("src=\"http") && !page.contains("href=\"http"),
        "{page}"
    );
    json_of(shop.get("/").await, 200).await;
}

#[tokio::test]
async fn the_merged_description_tells_what_passes_and_nothing_else() {
    let data = directory();
    let users = real_users(&data).await;
    let catalog = real_catalog(&data, &nobodys_key().await).await;
    let search = json!({
        "openapi": "3.1.0",
        "info": { "title": "search", "version": "1" },
        "paths": {
            "/search": { "get": { "responses": {} } },
            "/inside": { "get": { "responses": {} } },
        },
    });
    let search = Router::new().route("/openapi.json", get(async || Json(search)));
    let shop = Shop::open(&[
        &format!("--users-addr={users}"),
        &format!("--catalog-addr={catalog}"),
        &format!("--search-addr=http://{}", listen(search).await),
        &format!("--orders-addr={NOWHERE}"),
    ])
    .await;
    let document = json_of(shop.get("/openapi.json").await, 200).await;
    let paths = document["paths"].as_object().expect("paths");
    let names: Vec<_> = paths.keys().collect();
    assert_eq!(
        names,
        [
            "/.well-known/jwks.json",
            "/products",
            "/products/{id}",
            "/search",
            "/sessions",
            "/users",
            "/users/me"
        ]
    );
    let product = &paths["/products/{id}"];
    assert_eq!(product["get"]["summary"], "Product page");
    for guarded in [
        &product["patch"],
        &paths["/products"]["post"],
        &paths["/users/me"]["get"],
    ] {
        assert_eq!(guarded["security"], json!([{ "bearer": [] }]));
    }
    // What the door answers is told of what is behind it too.
    for (path, method) in [("/search", "get"), ("/products", "get"), ("/users", "post")] {
        for status in ["401", "429", "503"] {
            let said = &paths[path][method]["responses"][status]["content"];
            let problem = said.get("application/problem+json");
            assert!(problem.is_some(), "{method} {path}, {status}: {said}");
        }
    }
    let scheme = &document["components"]["securitySchemes"]["bearer"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
}
