//! What an index of ours is like, and what a product looks like in it.

use std::time::Duration;

use api::Product;
use serde_json::{Value, json};

use crate::text::words::{FORM, distinct, indexed, texts};

/// The fields of texts, and how much a word weighs in each: most in the name, least in the description.
pub(super) const TEXTS: [&str; 3] = ["texts.name^10", "texts.category^4", "texts.description"];
/// What a product is called: a word that is neither here is no name.
pub(super) const NAMES: [&str; 2] = ["texts.name", "texts.category"];

/// Settings and mappings of every index whose name matches `pattern`.
pub(super) fn template(pattern: &str, refresh: Duration) -> Value {
    // We have cut and folded the words ourselves, as a query's; here they are split at our spaces, and "hiking" and "hike" get one
    // stem.
    let text = json!({"type": "text", "analyzer": "stems", "index_options": "freqs"});
    json!({
        "index_patterns": [pattern],
        "template": {
            "settings": {
                // Counts and scores of one shard are exact, and a hundred thousand products fit.
                "number_of_shards": 1,
                "auto_expand_replicas": "0-1",
                "refresh_interval": interval(refresh),
                "analysis": {
                    "tokenizer": {"spaces": {"type": "whitespace"}},
                    "filter": {"english": {"type": "stemmer", "language": "english"}},
                    "analyzer": {
                        "stems": {"type": "custom", "tokenizer": "spaces", "filter": ["english"]},
                    },
                },
            },
            "mappings": {
                "dynamic": "strict",
                "_meta": {"form": FORM},
                "properties": {
                    "id": {"type": "keyword"},
                    "name": {"type": "keyword", "index": false, "doc_values": false},
                    "category": {"type": "keyword"},
                    "price_cents": {"type": "long"},
                    // As they are written, for completion and correction; the stems can serve neither.
                    "words": {"type": "keyword"},
                    "texts": {"properties": {"name": text, "category": text, "description": text}},
                },
            },
        },
    })
}

/// A duration as the server writes it.
pub(super) fn interval(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// A product in the index.
pub(super) fn document(product: &Product) -> Value {
    json!({
        "id": product.id,
        "name": product.name,
        "category": product.category,
        "price_cents": product.price_cents,
        "words": distinct(&texts(&product.name, &product.category, &product.description)),
        "texts": {
            "name": indexed(&product.name),
            "category": indexed(&product.category),
            "description": indexed(&product.description),
        },
    })
}
