//! The committed description of events, `contracts/events.json`.
//!
//! It is an OpenAPI document, so that the same tool compares versions of it as of the HTTP API: a path for each type of event, whose
//! request body is what is read, and whose response is what is written. Versions that run side by side are both, to each other.

use std::{fs, path::Path};

use api::{CancelReason, Cents, Currency, Fact, OrderItem, PlacedOrder, SealedCard};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema as _, ToSchema as _};

/// Every event, with everything in it that there can be.
pub(crate) fn samples() -> Vec<Fact> {
    let order = || PlacedOrder {
        items: vec![OrderItem {
            product_id: api::product_id(1),
            quantity: 2,
            price_cents: Cents(250),
        }],
        total_cents: Cents(500),
        currency: Currency::Eur,
        card: SealedCard {
            key_id: "0123456789abcdef".into(),
            sealed: "AAAA".into(),
        },
    };
    let amount_cents = Cents(500);
    let reason = CancelReason::TimedOut;
    vec![
        Fact::OrderPlaced(order()),
        Fact::OrderConfirmed {},
        Fact::OrderCancelled { reason },
        Fact::StockReserved(order()),
        Fact::StockRejected {},
        Fact::PaymentCaptured { amount_cents },
        Fact::PaymentDeclined {},
        Fact::PaymentRefunded { amount_cents },
        Fact::ProductChanged(api::seed(1).next().expect("a product")),
    ]
}

fn json_of(it: impl serde::Serialize) -> Value {
    serde_json::to_value(it).expect("JSON")
}

/// The schema of the data of each type of event.
fn schemas() -> Vec<(String, Value)> {
    let all = json_of(Fact::schema());
    let variants = all["oneOf"].as_array().expect("a schema for each type");
    let of = |variant: &Value| {
        let properties = &variant["properties"];
        let kind = properties["type"]["enum"][0].as_str().expect("its type");
        let mut data = properties["data"].clone();
        // An event that says no more than that it happened.
        if data.is_null() {
            data = json!({ "type": "object" });
        }
        (kind.to_owned(), data)
    };
    variants.iter().map(of).collect()
}

pub(crate) fn document() -> Value {
    let mut components = Vec::new();
    Fact::schemas(&mut components);
    let components: Map<_, _> = components
        .into_iter()
        .map(|(name, schema)| (name, json_of(schema)))
        .collect();
    let mut paths = Map::new();
    for ((kind, schema), sample) in schemas().into_iter().zip(samples()) {
        assert_eq!(kind, sample.kind());
        let example = json_of(&sample)["data"].take();
        let content = json!({ "application/json": { "schema": schema, "example": example } });
        let event = json!({
            "operationId": kind,
            "requestBody": { "description": "what is read", "required": true, "content": content },
            "responses": { "200": { "description": "what is written", "content": content } },
        });
        paths.insert(format!("/{kind}"), json!({ "post": event }));
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "The data of the shop's events", "version": "1" },
        "paths": paths,
        "components": { "schemas": components },
    })
}

/// Writes the file if it is stale and fails, so that the next run passes and the difference can be looked at.
#[test]
fn the_committed_description_of_events_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/events.json");
    let said = serde_json::to_string_pretty(&document()).expect("JSON") + "\n";
    let current = fs::read_to_string(&path).is_ok_and(|it| it == said);
    if !current {
        fs::write(&path, said).expect("a written file");
    }
    assert!(current, "stale, written again: {}", path.display());
}

#[test]
fn there_is_a_sample_and_a_schema_of_every_event() {
    let kinds: Vec<_> = samples().iter().map(Fact::kind).collect();
    assert_eq!(kinds, Fact::KINDS);
    let described: Vec<_> = schemas().into_iter().map(|it| it.0).collect();
    assert_eq!(described, Fact::KINDS);
}
