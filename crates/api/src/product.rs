//! Products as they travel between the shop and its callers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The name of a category, one of [`crate::CATEGORIES`] for seeded products.
pub type Category = String;

/// Names a product: `p-` and 6 to 32 lower-case letters or digits.
///
/// Ids sort as text, and pages are cut by them: the id of the last product on a page is the cursor to the next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "p-000042")]
pub struct ProductId(String);

/// A text that is no product id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductIdError;

impl fmt::Display for ProductIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a product id is `p-` and 6 to 32 lower-case letters or digits")
    }
}

impl std::error::Error for ProductIdError {}

impl ProductId {
    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProductId {
    type Error = ProductIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let tail = text.strip_prefix("p-").ok_or(ProductIdError)?;
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if (6..=32).contains(&tail.len()) && tail.bytes().all(known) {
            Ok(Self(text))
        } else {
            Err(ProductIdError)
        }
    }
}

impl FromStr for ProductId {
    type Err = ProductIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<ProductId> for String {
    fn from(id: ProductId) -> Self {
        id.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
    #[schema(minimum = 1, example = 4999)]
    pub price_cents: i64,
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
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// At most 4,000 characters.
    #[schema(max_length = 4000)]
    pub description: String,
    /// 1 to 50 lower-case letters, digits or dashes.
    #[schema(value_type = String, min_length = 1, max_length = 50)]
    pub category: Category,
    /// EUR cents, from 1 to 100,000,000.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub price_cents: i64,
}

/// What to change of a product; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductChange {
    /// As in [`NewProduct`].
    pub name: Option<String>,
    /// As in [`NewProduct`].
    pub description: Option<String>,
    /// As in [`NewProduct`].
    #[schema(value_type = Option<String>)]
    pub category: Option<Category>,
    /// As in [`NewProduct`].
    pub price_cents: Option<i64>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_id_is_checked_wherever_it_comes_in() {
        for good in ["p-000042", "p-abcdef0123456789"] {
            assert_eq!(good.parse::<ProductId>().unwrap().as_str(), good);
        }
        let long = format!("p-{}", "a".repeat(33));
        for bad in [
            "", "p-", "p-12345", "x-000042", "p-00004Z", "p-0000/4", &long,
        ] {
            assert_eq!(bad.parse::<ProductId>(), Err(ProductIdError), "{bad}");
        }
    }
}
