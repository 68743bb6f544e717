//! The committed description of the whole API, `crates/api/contracts/openapi.json`, which versions are compared by.

use std::{fs, path::Path};

use super::*;

const COMMITTED: &str = "../../crates/api/contracts/openapi.json";

async fn real_search(data: &TempDir) -> String {
    let path = data.path().display();
    let config = search::Config::parse_from([
        "search",
        &format!("--search-url=sqlite:{path}/search.db"),
        &format!("--broker-url=sqlite:{path}/broker.db"),
        "--seed-products=1",
    ]);
    let state = search::State::open(&config, &Host::default()).await;
    let app = public(search::app(state.expect("what it needs")), limits());
    format!("http://{}", listen(app).await)
}

async fn real_orders(data: &TempDir) -> String {
    let path = |name: &str| data.path().join(name).display().to_string();
    let card_key = cards::public_of(&cards::generate()).expect("its public key");
    fs::write(path("card.pem"), card_key).expect("a written key");
    fs::write(path("secret"), "0".repeat(32)).expect("a written secret");
    let config = orders::Config::parse_from([
        "orders",
        &format!("--database-url=sqlite:{}", path("orders.db")),
        &format!("--broker-url=sqlite:{}", path("broker.db")),
        &format!("--card-key-file={}", path("card.pem")),
        &format!("--fingerprint-key-file={}", path("secret")),
    ]);
    let state = orders::State::open(&config, &Host::default()).await;
    let app = public(orders::app(state.expect("what it needs")), limits());
    format!("http://{}", listen(app).await)
}

/// Writes the file if it is stale and fails, so that the next run passes and the difference can be looked at.
#[tokio::test]
async fn the_committed_description_of_the_api_is_what_the_services_say() {
    let data = directory();
    let shop = Shop::open(&[
        &format!("--users-addr={}", real_users(&data).await),
        &format!(
            "--catalog-addr={}",
            real_catalog(&data, &nobodys_key().await).await
        ),
        &format!("--search-addr={}", real_search(&data).await),
        &format!("--orders-addr={}", real_orders(&data).await),
    ])
    .await;
    let document = json_of(shop.get("/openapi.json").await, 200).await;
    for path in ["/users", "/products", "/search", "/orders"] {
        assert!(document["paths"][path].is_object(), "{path} is left out");
    }
    let said = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMMITTED);
    let current = fs::read_to_string(&path).is_ok_and(|it| it == said);
    if !current {
        fs::write(&path, said).expect("a written file");
    }
    assert!(current, "stale, written again: {}", path.display());
}
