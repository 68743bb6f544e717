//! The rules of products. No I/O here.

use api::{Cents, NewProduct, ProductChange};

const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 4_000;
const MAX_CATEGORY: usize = 50;
const MAX_PRICE: Cents = Cents(100_000_000);

/// A product that the shop does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadProduct {
    #[error("name must have 1 to {MAX_NAME} characters, and no control characters")]
    Name,
    #[error(
        "description must have at most {MAX_DESCRIPTION} characters, and no control characters but tabs and line breaks"
    )]
    Description,
    #[error("category must be 1 to {MAX_CATEGORY} lower-case letters, digits or dashes")]
    Category,
    #[error("a price is from 1 to {MAX_PRICE} cents")]
    Price,
}

/// Whether `product` may be created.
pub(crate) fn check_new(product: &NewProduct) -> Result<(), BadProduct> {
    check_name(&product.name)?;
    check_description(&product.description)?;
    check_category(&product.category)?;
    check_price(product.price_cents)
}

/// Whether a product may be changed so.
pub(crate) fn check_change(change: &ProductChange) -> Result<(), BadProduct> {
    change.name.as_deref().map_or(Ok(()), check_name)?;
    change
        .description
        .as_deref()
        .map_or(Ok(()), check_description)?;
    change.category.as_deref().map_or(Ok(()), check_category)?;
    change.price_cents.map_or(Ok(()), check_price)
}

/// Whether `category` could be one.
pub(crate) fn check_category(category: &str) -> Result<(), BadProduct> {
    let known = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    let good = (1..=MAX_CATEGORY).contains(&category.len()) && category.bytes().all(known);
    good.then_some(()).ok_or(BadProduct::Category)
}

fn check_name(name: &str) -> Result<(), BadProduct> {
    let shown = name.chars().all(|it| !it.is_control());
    let good = shown && !name.trim().is_empty() && name.chars().count() <= MAX_NAME;
    good.then_some(()).ok_or(BadProduct::Name)
}

fn check_description(description: &str) -> Result<(), BadProduct> {
    let shown = |it: char| !it.is_control() || ['\t', '\n', '\r'].contains(&it);
    let good = description.chars().all(shown) && description.chars().count() <= MAX_DESCRIPTION;
    good.then_some(()).ok_or(BadProduct::Description)
}

fn check_price(price: Cents) -> Result<(), BadProduct> {
    let good = (Cents(1)..=MAX_PRICE).contains(&price);
    good.then_some(()).ok_or(BadProduct::Price)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mug() -> NewProduct {
        NewProduct {
            name: "Mug".into(),
            description: "Holds coffee.".into(),
            category: "kitchen".into(),
            price_cents: Cents(999),
        }
    }

    #[test]
    fn every_rule_is_checked() {
        assert_eq!(check_new(&mug()), Ok(()));
        let with = |change: fn(&mut NewProduct)| {
            let mut product = mug();
            change(&mut product);
            check_new(&product)
        };
        assert_eq!(with(|it| it.name = "  ".into()), Err(BadProduct::Name));
        assert_eq!(with(|it| it.name = "ü".repeat(201)), Err(BadProduct::Name));
        assert_eq!(
            with(|it| it.category = "Kitchen".into()),
            Err(BadProduct::Category)
        );
        assert_eq!(with(|it| it.price_cents = Cents(0)), Err(BadProduct::Price));
        let long = with(|it| it.description = "x".repeat(4_001));
        assert_eq!(long, Err(BadProduct::Description));
        // PostgreSQL does not take the first of them at all.
        for bad in ["Mug\0", "Mug\u{7f}", "Mug\u{85}", "M\nug"] {
            let name = ProductChange {
                name: Some(bad.into()),
                ..ProductChange::default()
            };
            assert_eq!(check_change(&name), Err(BadProduct::Name), "{bad:?}");
        }
        let description = |it: &str| {
            check_change(&ProductChange {
                description: Some(it.into()),
                ..ProductChange::default()
            })
        };
        assert_eq!(description("One\r\n\ttwo"), Ok(()));
        assert_eq!(description("One\0two"), Err(BadProduct::Description));
    }

    #[test]
    fn a_change_is_checked_where_it_says_something() {
        assert_eq!(check_change(&ProductChange::default()), Ok(()));
        let free = ProductChange {
            price_cents: Some(Cents(0)),
            ..ProductChange::default()
        };
        assert_eq!(check_change(&free), Err(BadProduct::Price));
    }
}
