//! Accounts through the public door, with real services behind it.

use super::*;

/// Users, a catalogue that believes its tokens, and the gateway before both.
async fn shop(data: &TempDir) -> Shop {
    let users = real_users(data).await;
    let catalog = real_catalog(data, &users).await;
    let flags = [
        &*format!("--users-addr={users}"),
        &*format!("--catalog-addr={catalog}"),
    ];
    Shop::open(&flags).await
}

async fn log_in(shop: &Shop, email: &str) -> String {
    let credentials = json!({ "email": email, "password": PASSWORD });
    let answer = shop.post("/sessions", &credentials).await;
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let session = json_of(answer, 201).await;
    session["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn who_registers_can_log_in_and_is_known() {
    let data = directory();
    let shop = shop(&data).await;
    let ada = json!({ "email": "ada@shop.example", "password": PASSWORD });
    json_of(shop.post("/users", &ada).await, 202).await;
    let token = log_in(&shop, "ada@shop.example").await;
    let me = shop.request(Method::GET, "/users/me");
    json_of(shop.get("/users/me").await, 401).await;
    let me = answer(me.bearer_auth(&token)).await;
    assert_eq!(me.headers()[header::CACHE_CONTROL], "no-store");
    let me = json_of(me, 200).await;
    assert_eq!(me["email"], "ada@shop.example");
    let keys = json_of(shop.get("/.well-known/jwks.json").await, 200).await;
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
}

#[tokio::test]
async fn what_users_refuses_comes_out_as_it_said_it() {
    let data = directory();
    let shop = shop(&data).await;
    let short = json!({ "email": "ada@shop.example", "password": "short" });
    let problem = json_of(shop.post("/users", &short).await, 422).await;
    assert_eq!(problem["detail"], "password must have 12 to 128 characters");
    let wrong = json!({ "email": ADMIN, "password": "a wrong password" });
    let problem = json_of(shop.post("/sessions", &wrong).await, 401).await;
    assert_eq!(problem["detail"], "wrong e-mail address or password");
    let broken = shop.request(Method::POST, "/sessions").body("{");
    let broken = broken.header(header::CONTENT_TYPE, "application/json");
    json_of(answer(broken).await, 400).await;
}

#[tokio::test]
async fn only_an_admin_changes_the_catalogue() {
    let data = directory();
    let shop = shop(&data).await;
    let ada = json!({ "email": "ada@shop.example", "password": PASSWORD });
    json_of(shop.post("/users", &ada).await, 202).await;
    let (shopper, admin) = (
        log_in(&shop, "ada@shop.example").await,
        log_in(&shop, ADMIN).await,
    );
    let lamp =
        json!({ "name": "Lamp", "description": "", "category": "lighting", "price_cents": 1999 });
    let create = || shop.request(Method::POST, "/products").json(&lamp);
    json_of(answer(create()).await, 401).await;
    json_of(answer(create().bearer_auth(&shopper)).await, 403).await;
    let created = answer(create().bearer_auth(&admin)).await;
    let place = created.headers()[header::LOCATION].clone();
    let created = json_of(created, 201).await;
    let place = place.to_str().expect("a path");

    let change = || {
        let request = shop.request(Method::PATCH, place);
        request.json(&json!({ "price_cents": 1499 }))
    };
    json_of(answer(change()).await, 401).await;
    json_of(answer(change().bearer_auth(&shopper)).await, 403).await;
    json_of(answer(change().bearer_auth(&admin)).await, 200).await;
    let page = json_of(shop.get(place).await, 200).await;
    assert_eq!(
        (&page["id"], &page["price_cents"]),
        (&created["id"], &json!(1499))
    );
}
