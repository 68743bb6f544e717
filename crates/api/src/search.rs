//! Search as it travels between the shop and its callers.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{Cents, ProductId};

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Words, at most 200 characters; a typing error is forgiven. Empty or absent: every product.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200)]
    pub q: Option<String>,
    /// Only products of this category.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[a-z0-9-]{1,50}$")]
    pub category: Option<String>,
    /// EUR cents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i64>, minimum = 0)]
    pub min_price: Option<Cents>,
    /// EUR cents, not less than `min_price`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i64>, minimum = 0)]
    pub max_price: Option<Cents>,
    /// The `next_cursor` of the page before, with everything else as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[0-9a-f]{32}p-[a-z0-9]{6,32}$")]
    pub cursor: Option<String>,
    /// The most hits on a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u32>,
}

/// What was found, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchResults {
    /// How many products match, on all pages together.
    pub total: u64,
    /// The products on this page.
    pub hits: Vec<Hit>,
    /// How many of all that match are in which category, most first. The category filter itself is left out of account, so
    /// that the other categories can be offered.
    pub categories: Vec<CategoryCount>,
    /// Words that were read as others, because nothing has the word that was typed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub corrections: Vec<Correction>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A product that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hit {
    /// Which product.
    pub id: ProductId,
    /// The version that was indexed.
    pub version: i64,
    /// What it is called.
    pub name: String,
    /// Where it stands in the shop.
    pub category: String,
    /// Price in EUR cents.
    #[schema(value_type = i64)]
    pub price_cents: Cents,
}

/// A facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CategoryCount {
    /// Which category.
    pub category: String,
    /// Products that match.
    pub count: u64,
}

/// A word that was read as another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Correction {
    /// As it was typed.
    pub typed: String,
    /// As it was read.
    pub read: String,
}
