//! The version before beside this one: its events as it wrote them, and what it read of ours.
//!
//! Frozen is what has changed since then; everything else is as [`crate::document::samples`] has it.

use api::{Currency, Fact, PlacedOrder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::document::samples;

/// Every event as the version before wrote it.
const EVENTS: [(&str, &str); 9] = [
    (
        "order.placed",
        r#"{"items":[{"product_id":"p-000001","quantity":2,"price_cents":250}],"total_cents":500,"card":{"key_id":"0123456789abcdef","sealed":"AAAA"}}"#,
    ),
    ("order.confirmed", "{}"),
    ("order.cancelled", r#"{"reason":"timed_out"}"#),
    (
        "stock.reserved",
        r#"{"items":[{"product_id":"p-000001","quantity":2,"price_cents":250}],"total_cents":500,"card":{"key_id":"0123456789abcdef","sealed":"AAAA"}}"#,
    ),
    ("stock.rejected", "{}"),
    ("payment.captured", r#"{"amount_cents":500}"#),
    ("payment.declined", "{}"),
    ("payment.refunded", r#"{"amount_cents":500}"#),
    (
        "product.changed",
        r#"{"id":"p-000001","version":1,"name":"Mug","description":"Holds coffee.","category":"kitchen","price_cents":999}"#,
    ),
];

/// `api::PlacedOrder` of the version before.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct OrderBefore {
    items: Vec<Value>,
    total_cents: i64,
    card: Value,
}

fn read(kind: &str, data: &Value) -> Fact {
    let fact = serde_json::from_value(json!({ "type": kind, "data": data }));
    fact.unwrap_or_else(|error| panic!("{kind}: {error}"))
}

/// What the version before wrote of this type.
fn data_before(kind: &str) -> Value {
    let mut events = EVENTS.iter();
    let event = events.find(|it| it.0 == kind).expect("it is there");
    serde_json::from_str(event.1).expect("JSON")
}

fn order_of(fact: Fact) -> PlacedOrder {
    match fact {
        Fact::OrderPlaced(order) | Fact::StockReserved(order) => order,
        other => panic!("{} is about no order", other.kind()),
    }
}

#[test]
fn every_event_of_the_version_before_is_read_and_an_order_is_in_euros() {
    let kinds: Vec<_> = EVENTS.iter().map(|it| it.0).collect();
    assert_eq!(kinds, Fact::KINDS);
    for (kind, data) in EVENTS {
        let data: Value = serde_json::from_str(data).expect("JSON");
        let fact = read(kind, &data);
        assert_eq!(fact.kind(), kind);
        // What it said is still said.
        let again = serde_json::to_value(&fact).expect("JSON");
        for (name, value) in data.as_object().expect("an object") {
            assert_eq!(&again["data"][name], value, "{kind}: {name}");
        }
    }
    for kind in [Fact::ORDER_PLACED, Fact::STOCK_RESERVED] {
        let order = order_of(read(kind, &data_before(kind)));
        assert_eq!((order.currency, order.total_cents.0), (Currency::Eur, 500));
    }
}

#[test]
fn the_version_before_reads_ours_and_what_it_hands_on_is_in_euros_again() {
    for fact in samples() {
        if !matches!(fact, Fact::OrderPlaced(_)) {
            continue;
        }
        let ours = serde_json::to_value(&fact).expect("JSON")["data"].take();
        assert_eq!(ours["currency"], "EUR");
        // Its inventory reads `order.placed`, and tells `stock.reserved` with what it has read.
        let read_before: OrderBefore = serde_json::from_value(ours).expect("it is read");
        let told = serde_json::to_value(&read_before).expect("JSON");
        assert_eq!(told.get("currency"), None, "taken off on the way");
        let order = order_of(read(Fact::STOCK_RESERVED, &told));
        assert_eq!(Fact::OrderPlaced(order), fact);
    }
}

#[test]
fn an_order_in_another_currency_is_not_taken_for_one_in_euros() {
    for kind in [Fact::ORDER_PLACED, Fact::STOCK_RESERVED] {
        let mut data = data_before(kind);
        data["currency"] = json!("USD");
        let fact = serde_json::from_value::<Fact>(json!({ "type": kind, "data": data }));
        assert!(fact.is_err(), "{fact:?}");
    }
}
