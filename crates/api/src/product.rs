//! Products as they travel between the shop and its callers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Cents, ProductId, objects::objects};

objects!(NewProduct, ProductChange);

/// The name of a category, one of [`crate::CATEGORIES`] for seeded products.
pub type Category = String;

/// Something the shop sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// Names it for ever.
    pub id: ProductId,
    /// Rises by one with every change, so that a reader can tell an old copy.
    #[schema(minimum = 1)]
    pub version: i64,
    /// What it is called.
    #[schema(example = "Foldable oak bookshelf")]
    pub name: String,
    /// What it is, in a few sentences.
    pub description: String,
    /// Where it stands in the shop.
    #[schema(value_type = String, example = "furniture")]
    pub category: Category,
    /// Price in EUR cents.
    #[schema(value_type = i64, minimum = 1, example = 4999)]
    pub price_cents: Cents,
}

/// Part of a list of products, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductPage {
    /// The products on this page.
    pub items: Vec<Product>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<ProductId>,
}

/// A product to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct NewProduct {
    /// 1 to 200 characters, not only spaces, and none of them a control character.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
    /// At most 4,000 characters, none of them a control character but tabs and line breaks.
    #[schema(
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
    )]
    pub description: String,
    /// 1 to 50 lower-case letters, digits or dashes.
    #[schema(value_type = String, pattern = "^[a-z0-9-]{1,50}$")]
    pub category: Category,
    /// EUR cents, from 1 to 100,000,000.
    #[schema(value_type = i64, minimum = 1, maximum = 100_000_000)]
    pub price_cents: Cents,
}

/// What to change of a product; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ProductChange {
    /// As in [`NewProduct`].
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: Option<String>,
    /// As in [`NewProduct`].
    #[schema(
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
    )]
    pub description: Option<String>,
    /// As in [`NewProduct`].
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9-]{1,50}$")]
    pub category: Option<Category>,
    /// As in [`NewProduct`].
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 100_000_000)]
    pub price_cents: Option<Cents>,
}

/// Whether a product can be bought now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// At least one.
    InStock,
    /// None left.
    OutOfStock,
    /// The inventory did not answer in time; the rest of the page is right.
    Unknown,
}

/// The product page: what the catalogue and the inventory say together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductWithAvailability {
    /// From the catalogue.
    #[serde(flatten)]
    pub product: Product,
    /// From the inventory.
    pub availability: Availability,
}
