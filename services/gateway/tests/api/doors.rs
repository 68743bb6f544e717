//! Who comes in and how often: tokens, rates, origins.

use api::Role;
use axum::{http::StatusCode, response::IntoResponse as _};
use chassis::Error;

use super::*;

#[tokio::test]
async fn one_client_is_limited_and_another_is_not() {
    let data = directory();
    let (catalog, inventory) = (
        real_catalog(&data, &nobodys_key().await).await,
        real_inventory(&data).await,
    );
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
    let data = directory();
    let catalog = real_catalog(&data, &nobodys_key().await).await;
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
async fn browsers_may_send_what_orders_and_accounts_need() {
    let shop = Shop::open(&["--cors-allow-origin=https://shop.example"]).await;
    let preflight = shop
        .request(Method::OPTIONS, "/orders")
        .header(header::ORIGIN, "https://shop.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let preflight = answer(preflight).await;
    let allowed = &preflight.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS];
    for name in [
        "authorization",
        "content-type",
        "idempotency-key",
        "traceparent",
        "tracestate",
        "baggage",
    ] {
        assert!(
            allowed.to_str().expect("text").contains(name),
            "{allowed:?}"
        );
    }
    let refused = shop
        .request(Method::GET, "/")
        .header(header::ORIGIN, "https://shop.example")
        .bearer_auth("forged");
    let refused = answer(refused).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let exposed = &refused.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS];
    assert!(exposed.to_str().expect("text").contains("location"));
}

#[tokio::test]
async fn a_page_can_read_answers_that_no_route_gave() {
    // A catalogue that never answers, so that the deadline is what ends the request.
    let silent = listen(Router::new().fallback(async || {
        std::future::pending::<()>().await;
    }))
    .await;
    let catalog = format!("http://{silent}");
    let origin = "--cors-allow-origin=https://a.example";
    let shop = Shop::before(&catalog, NOWHERE, &[origin, "--trust-deadline"]).await;
    let large = vec![b'x'; limits().body + 1];
    let late = ("x-request-timeout-ms", "1");
    for (request, status) in [
        (shop.request(Method::POST, "/orders").body(large), 413),
        (
            shop.request(Method::GET, "/products")
                .header(late.0, late.1),
            504,
        ),
        (shop.request(Method::GET, "/nowhere"), 404),
    ] {
        let answer = answer(request.header(header::ORIGIN, "https://a.example")).await;
        assert_eq!(answer.status().as_u16(), status);
        let allowed = &answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN];
        assert_eq!(allowed, "https://a.example");
    }
}

#[tokio::test]
async fn a_deadline_from_outside_is_heard_only_where_it_is_trusted() {
    for (flags, status) in [(&[][..], 200), (&["--trust-deadline"], 400)] {
        let shop = Shop::open(flags).await;
        let request = shop.request(Method::GET, "/");
        let request = request.header("x-request-timeout-ms", "0");
        json_of(answer(request).await, status).await;
    }
    let shop = Shop::open(&[]).await;
    let call = shop.request(Method::GET, "/docs/made-up");
    let call = call.header(header::CONTENT_TYPE, "application/grpc");
    json_of(answer(call.header("grpc-timeout", "1n")).await, 404).await;
}

#[tokio::test]
async fn a_false_token_is_refused_on_every_route_and_none_is_needed_where_anyone_may() {
    let (ours, theirs) = (SigningKey::generate(), SigningKey::generate());
    let token = |key: &SigningKey| {
        let token = key.issue("u-1", Role::Shopper, Duration::from_mins(1));
        token.expect("a token")
    };
    let shop = Shop::guarded(&ours, &[]).await;
    for path in [
        "/",
        "/products",
        "/products/p-000001",
        "/search",
        "/sessions",
        "/openapi.json",
        "/docs/",
        "/nowhere",
    ] {
        let request = shop.request(Method::GET, path).bearer_auth(token(&theirs));
        let refused = answer(request).await;
        let challenge = &refused.headers()[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, "Bearer error=\"invalid_token\"");
        json_of(refused, 401).await;
    }
    json_of(shop.get("/").await, 200).await;
    let request = shop.request(Method::GET, "/").bearer_auth(token(&ours));
    json_of(answer(request).await, 200).await;
}

#[tokio::test]
async fn who_is_logged_in_has_a_rate_of_their_own_and_false_tokens_share_that_of_the_address() {
    let key = SigningKey::generate();
    let token = |user: &str| {
        let token = key.issue(user, Role::Shopper, Duration::from_mins(1));
        token.expect("a token")
    };
    let flags = ["--rate-limit=1", "--rate-burst=3"];
    let shop = Shop::guarded(&key, &flags).await;
    let statuses = async |token: &str| {
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let request = shop.request(Method::GET, "/").bearer_auth(token);
            statuses.push(answer(request).await.status().as_u16());
        }
        statuses
    };
    assert_eq!(statuses(&token("u-1")).await, [200, 200, 200, 429]);
    assert_eq!(statuses(&token("u-2")).await, [200, 200, 200, 429]);
    assert_eq!(statuses("forged").await, [401, 401, 401, 429]);
    assert_eq!(shop.get("/").await.status(), StatusCode::TOO_MANY_REQUESTS);
}

/// Users who know one password.
async fn users() -> String {
    let log_in = async |body: axum::body::Bytes| {
        let right = str::from_utf8(&body).is_ok_and(|it| it.contains(PASSWORD));
        if right {
            StatusCode::CREATED.into_response()
        } else {
            Error::Unauthorized("wrong").into_response()
        }
    };
    let users = listen(Router::new().fallback(log_in)).await;
    format!("--users-addr=http://{users}")
}

async fn try_to(shop: &Shop, path: &str, from: &str, body: &Value) -> u16 {
    let request = shop.request(Method::POST, path).json(body);
    let answer = answer(request.header("x-forwarded-for", from)).await;
    answer.status().as_u16()
}

async fn log_in(shop: &Shop, from: &str, email: &str, password: &str) -> u16 {
    let credentials = json!({ "email": email, "password": password });
    try_to(shop, "/sessions", from, &credentials).await
}

#[tokio::test]
async fn log_ins_and_registrations_are_limited_by_address_and_wrong_log_ins_by_account() {
    let flags = [
        &*users().await,
        "--login-rate=1",
        "--login-burst=2",
        "--trust-forwarded-for",
    ];
    let shop = Shop::open(&flags).await;
    let wrong = async |from: &str, email: &str| log_in(&shop, from, email, "wrong").await;
    assert_eq!(wrong("198.51.100.1", "ada@b").await, 401);
    assert_eq!(wrong("198.51.100.1", "bob@b").await, 401);
    assert_eq!(wrong("198.51.100.1", "eve@b").await, 429);
    let register = async |from: &str| try_to(&shop, "/users", from, &json!({})).await;
    assert_eq!(register("198.51.100.1").await, 429);
    assert_eq!(register("198.51.100.6").await, 401);
    let order = try_to(&shop, "/orders", "198.51.100.1", &json!({})).await;
    assert_eq!(order, 503, "what costs no hash has no such limit");
    // However fast the machine is, some of these come too soon for one account.
    let mut statuses = Vec::new();
    for address in 10..40 {
        let twin = ["jo\u{308}rg@b", "J\u{d6}RG@B"][address % 2];
        statuses.push(wrong(&format!("198.51.100.{address}"), twin).await);
    }
    assert_eq!(statuses[..8], [401; 8]);
    assert!(statuses.contains(&429), "{statuses:?}");
    // What users takes for no credentials either tries no password, and counts for no account.
    for nonsense in [json!("nonsense"), json!(["j\u{f6}rg@b", "wrong"])] {
        let status = try_to(&shop, "/sessions", "198.51.100.4", &nonsense).await;
        assert_eq!(
            status, 401,
            "the stand-in for users says so to all: it was asked"
        );
    }
}

#[tokio::test]
async fn one_address_locks_nobody_out_and_right_log_ins_do_not_count() {
    let shop = Shop::open(&[&*users().await, "--trust-forwarded-for"]).await;
    let attack = async {
        let mut refused = 0;
        for _ in 0..100 {
            let status = log_in(&shop, "198.51.100.1", "ada@b", "wrong").await;
            refused += u32::from(status == 429);
        }
        refused
    };
    let ada = async {
        for address in 0..100 {
            let from = format!("192.0.2.{address}");
            assert_eq!(log_in(&shop, &from, "ada@b", PASSWORD).await, 201);
        }
    };
    let (refused, ()) = tokio::join!(attack, ada);
    assert!(refused > 0, "the address has a rate of its own");
    ada_again(&shop).await;
}

/// The same account right after, from one address at once.
async fn ada_again(shop: &Shop) {
    for _ in 0..5 {
        assert_eq!(log_in(shop, "203.0.113.7", "ada@b", PASSWORD).await, 201);
    }
}
