//! The rules of stock. No I/O here.

use std::collections::HashMap;

use api::{OrderItem, ProductId};

/// The first product of which there is not enough; one that was never stocked counts as none.
pub(crate) fn shortage<'a>(
    wanted: &'a [OrderItem],
    available: &HashMap<String, i64>,
) -> Option<&'a ProductId> {
    let missing = |it: &&OrderItem| {
        let there = available.get(it.product_id.as_str()).copied();
        there.unwrap_or(0) < it.quantity
    };
    wanted.iter().find(missing).map(|it| &it.product_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_short_of_the_first_product_there_is_not_enough_of() {
        let item = |id: &str, quantity| OrderItem {
            product_id: id.parse().unwrap(),
            quantity,
            price_cents: api::Cents(1),
        };
        let available = HashMap::from([("p-000001".to_owned(), 3), ("p-000002".to_owned(), 0)]);
        let short = |items: &[OrderItem]| shortage(items, &available).map(ToString::to_string);
        assert_eq!(short(&[item("p-000001", 3)]), None);
        assert_eq!(short(&[item("p-000001", 4)]).as_deref(), Some("p-000001"));
        assert_eq!(
            short(&[item("p-000001", 1), item("p-000002", 1)]).as_deref(),
            Some("p-000002")
        );
        assert_eq!(short(&[item("p-999999", 1)]).as_deref(), Some("p-999999"));
    }
}
