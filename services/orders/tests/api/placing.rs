//! What is taken, what is refused, and what a repeated request gets.

use std::time::Duration;

use api::{DECLINED_CARD, GOOD_CARD, OrderPage};
use serde_json::{Value, json};

use super::*;

const PATIENT: Duration = Duration::from_mins(5);

on_every_database! {
    what_breaks_a_rule_is_refused_with_its_reason,
    nobody_orders_or_looks_without_a_token_or_at_what_is_somebody_elses,
    a_key_is_answered_the_same_however_often_and_another_body_is_refused,
    the_same_key_many_times_at_once_is_one_order,
    an_order_is_answered_when_it_is_final_only_where_that_is_wanted,
    a_list_is_cut_into_pages_newest_first,
}

async fn what_breaks_a_rule_is_refused_with_its_reason(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let order = |items: Value, card: &str| json!({ "items": items, "card_number": card });
    let line = |id: &str, quantity: i64| json!([{ "product_id": id, "quantity": quantity }]);
    let cases = [
        (order(line("p-000001", 0), GOOD_CARD), "from 1 to 100"),
        (order(line("p-000001", -1), GOOD_CARD), "from 1 to 100"),
        (
            order(line("p-000001", 1_000_000_000_000), GOOD_CARD),
            "from 1 to 100",
        ),
        (
            order(line("p-999999", 1), GOOD_CARD),
            "unknown product p-999999",
        ),
        (order(json!([]), GOOD_CARD), "1 to 20 lines"),
        (order(line("p-000001", 1), "4242"), "12 to 19 digits"),
        (order(line("nonsense", 1), GOOD_CARD), "a product id is"),
        (json!({ "items": [] }), "card_number"),
        (
            json!({ "items": [], "card_number": 4_242_424_242_424_242_u64 }),
            "invalid type: integer, expected a string",
        ),
    ];
    for (body, reason) in cases {
        let answer = world.post("u-1", "k-1", &body).await;
        assert_eq!(answer.status(), 422, "{body}");
        let problem: Value = answer.json().await.expect("a problem");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(reason), "{detail:?} for {body}");
        assert!(!detail.contains(GOOD_CARD), "{detail:?}");
    }
    let keyless = world.post("u-1", "", &good_order()).await;
    assert_eq!(keyless.status(), 400);
    let twice = world
        .client
        .post(format!("http://{}/orders", world.address))
        .header(header::AUTHORIZATION, world.token("u-1"))
        .header("idempotency-key", "k-1")
        .header("idempotency-key", "k-2")
        .json(&good_order());
    let twice = twice.send().await.expect("an answer");
    assert_eq!(twice.status(), 400, "of two keys none is meant");
    assert_eq!(twice.headers()[header::CACHE_CONTROL], "no-store");
    let listed: OrderPage = world
        .get("u-1", "/orders")
        .await
        .json()
        .await
        .expect("a page");
    assert_eq!(listed.items, []);
}

async fn nobody_orders_or_looks_without_a_token_or_at_what_is_somebody_elses(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let url = format!("http://{}/orders", world.address);
    for request in [world.client.get(&url), world.client.post(&url)] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
    }
    let mine = world.order("k-1", &good_order()).await;
    let path = format!("/orders/{}", mine.id);
    assert_eq!(world.get("u-1", &path).await.status(), 200);
    assert_eq!(world.get("u-2", &path).await.status(), 404);
    let theirs: OrderPage = world
        .get("u-2", "/orders")
        .await
        .json()
        .await
        .expect("a page");
    assert_eq!(theirs.items, []);
}

async fn a_key_is_answered_the_same_however_often_and_another_body_is_refused(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let first = world.post("u-1", "k-1", &good_order()).await;
    let location = first.headers()[header::LOCATION].clone();
    let first: Value = first.json().await.expect("an order");
    world.order("k-2", &good_order()).await;
    let again = world.post("u-1", "k-1", &good_order()).await;
    assert_eq!(again.status(), 202);
    assert_eq!(again.headers()[header::LOCATION], location);
    let again: Value = again.json().await.expect("an order");
    assert_eq!(again, first, "even though it is final by now");
    let other = world.post("u-1", "k-1", &order(2, 1, GOOD_CARD)).await;
    assert_eq!(other.status(), 422);
    let somebody_else = world.post("u-2", "k-1", &good_order()).await;
    let somebody_else: Value = somebody_else.json().await.expect("an order");
    assert_ne!(somebody_else["id"], first["id"]);
}

async fn the_same_key_many_times_at_once_is_one_order(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let new = good_order();
    let post = async || {
        let answer = world.post("u-1", "k-1", &new).await;
        assert_eq!(answer.status(), 202);
        answer.json::<Order>().await.expect("an order").id
    };
    let (a, b, c, d) = tokio::join!(post(), post(), post(), post());
    assert!(a == b && b == c && c == d, "{a} {b} {c} {d}");
    let listed: OrderPage = world
        .get("u-1", "/orders")
        .await
        .json()
        .await
        .expect("a page");
    assert_eq!(listed.items.len(), 1);
}

async fn an_order_is_answered_when_it_is_final_only_where_that_is_wanted(data: Databases) {
    let world = World::open_with(data, PATIENT, &["--answer-when=final"]).await;
    for (card, end) in [
        (GOOD_CARD, OrderStatus::Confirmed),
        (DECLINED_CARD, OrderStatus::Cancelled),
    ] {
        for _ in ["the first time", "and again"] {
            let answer = world.post("u-1", end.as_str(), &order(1, 1, card)).await;
            assert_eq!(answer.status(), 202);
            let answered: Order = answer.json().await.expect("an order");
            assert_eq!(answered.status, end);
        }
    }
}

async fn a_list_is_cut_into_pages_newest_first(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let mut placed = Vec::new();
    for number in 0..5 {
        let answer = world
            .post("u-1", &format!("k-{number}"), &good_order())
            .await;
        placed.push(answer.json::<Order>().await.expect("an order").id);
    }
    placed.reverse();
    let mut path = "/orders?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page: OrderPage = world.get("u-1", &path).await.json().await.expect("a page");
        seen.extend(page.items.into_iter().map(|it| it.id));
        let Some(cursor) = page.next_cursor else {
            break;
        };
        path = format!("/orders?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, placed);
    for path in [
        "/orders?limit=0",
        "/orders?limit=101",
        "/orders?page=2",
        "/orders?cursor=x",
    ] {
        assert_eq!(world.get("u-1", path).await.status(), 400, "{path}");
    }
}
