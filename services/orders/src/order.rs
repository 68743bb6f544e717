//! The rules of orders. No I/O here.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use api::{
    CancelReason, Cents, Fact, MAX_ORDER_ITEMS, MAX_QUANTITY, NewOrder, OrderItem, OrderStatus,
    ProductId,
};

/// The time within which an order should be final, which is what shoppers are promised.
pub(crate) const COMPLETED_WITHIN: Duration = Duration::from_secs(10);

/// An order that the shop does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadOrder {
    #[error("order must have 1 to {MAX_ORDER_ITEMS} lines")]
    Lines,
    #[error("product {0} is in more than one line")]
    Repeated(ProductId),
    #[error("quantity must be from 1 to {MAX_QUANTITY}")]
    Quantity,
    #[error("card number must have 12 to 19 digits")]
    Card,
    #[error("unknown product {0}")]
    Unknown(ProductId),
}

/// An `Idempotency-Key` that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Idempotency-Key header required: 1 to 128 visible ASCII characters")]
pub(crate) struct BadKey;

/// Whether `order` may be placed, as far as can be told without prices.
pub(crate) fn check(order: &NewOrder) -> Result<(), BadOrder> {
    if !(1..=MAX_ORDER_ITEMS).contains(&order.items.len()) {
        return Err(BadOrder::Lines);
    }
    let mut seen = HashSet::new();
    for item in &order.items {
        if !(1..=MAX_QUANTITY).contains(&item.quantity) {
            return Err(BadOrder::Quantity);
        }
        if !seen.insert(&item.product_id) {
            return Err(BadOrder::Repeated(item.product_id.clone()));
        }
    }
    let card = &order.card_number.0;
    let digits = card.bytes().all(|it| it.is_ascii_digit());
    if !digits || !(12..=19).contains(&card.len()) {
        return Err(BadOrder::Card);
    }
    Ok(())
}

/// Whether `key` can name an attempt to order.
pub(crate) fn check_key(key: &str) -> Result<(), BadKey> {
    let good = (1..=128).contains(&key.len()) && key.bytes().all(|it| it.is_ascii_graphic());
    good.then_some(()).ok_or(BadKey)
}

/// Whether `text` could name an order, as `chassis::new_id` makes names.
pub(crate) fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("o-").unwrap_or_default();
    digits.len() == 24 && digits.bytes().all(|it| it.is_ascii_hexdigit())
}

/// The lines with the prices of this moment, and what they cost together in EUR cents.
pub(crate) fn price(
    order: &NewOrder,
    prices: &HashMap<ProductId, Cents>,
) -> Result<(Vec<OrderItem>, Cents), BadOrder> {
    let mut items = Vec::with_capacity(order.items.len());
    for item in &order.items {
        let price_cents = prices.get(&item.product_id).copied();
        items.push(OrderItem {
            product_id: item.product_id.clone(),
            quantity: item.quantity,
            price_cents: price_cents.ok_or_else(|| BadOrder::Unknown(item.product_id.clone()))?,
        });
    }
    // At most 20 lines of 100 units at a million EUR each: far from what 64 bits hold.
    let total = items.iter().map(|it| it.price_cents * it.quantity).sum();
    Ok((items, total))
}

/// What becomes of a pending order when `fact` is heard; nothing, if it is none of its business.
pub(crate) fn verdict(fact: &Fact) -> Option<Verdict> {
    match fact {
        Fact::PaymentCaptured { .. } => Some(Verdict::Confirmed),
        Fact::PaymentDeclined {} => Some(Verdict::Cancelled(CancelReason::PaymentDeclined)),
        Fact::StockRejected {} => Some(Verdict::Cancelled(CancelReason::OutOfStock)),
        _ => None,
    }
}

/// How an order ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Confirmed,
    Cancelled(CancelReason),
}

impl Verdict {
    pub(crate) fn status(self) -> OrderStatus {
        match self {
            Self::Confirmed => OrderStatus::Confirmed,
            Self::Cancelled(_) => OrderStatus::Cancelled,
        }
    }

    pub(crate) fn reason(self) -> Option<CancelReason> {
        match self {
            Self::Confirmed => None,
            Self::Cancelled(reason) => Some(reason),
        }
    }

    /// What metrics call it.
    pub(crate) fn outcome(self) -> &'static str {
        self.reason().map_or("confirmed", CancelReason::as_str)
    }

    /// What is told of it.
    pub(crate) fn fact(self) -> Fact {
        match self {
            Self::Confirmed => Fact::OrderConfirmed {},
            Self::Cancelled(reason) => Fact::OrderCancelled { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use api::{CardNumber, GOOD_CARD, NewItem};

    use super::*;

    fn item(id: &str, quantity: i64) -> NewItem {
        NewItem {
            product_id: id.parse().unwrap(),
            quantity,
        }
    }

    fn order(items: Vec<NewItem>) -> NewOrder {
        NewOrder {
            items,
            card_number: CardNumber(GOOD_CARD.into()),
        }
    }

    #[test]
    fn every_rule_is_checked() {
        assert_eq!(check(&order(vec![item("p-000001", 1)])), Ok(()));
        assert_eq!(check(&order(vec![])), Err(BadOrder::Lines));
        for quantity in [0, -1, 101, 1_000_000_000_000] {
            let order = order(vec![item("p-000001", quantity)]);
            assert_eq!(check(&order), Err(BadOrder::Quantity));
        }
        let twice = order(vec![item("p-000001", 1), item("p-000001", 2)]);
        assert!(matches!(check(&twice), Err(BadOrder::Repeated(_))));
        for card in ["", "4242 4242 4242 4242", "42", &"4".repeat(20)] {
            let mut order = order(vec![item("p-000001", 1)]);
            order.card_number = CardNumber(card.to_owned());
            assert_eq!(check(&order), Err(BadOrder::Card));
        }
    }

    #[test]
    fn orders_should_be_final_when_shoppers_are_promised_they_are() {
        let promised = slo::shop().iter().find(|it| it.name == "order-completion");
        let limit = promised.and_then(|it| it.indicator.limit());
        assert_eq!(limit, Some(COMPLETED_WITHIN));
    }

    #[test]
    fn an_order_is_named_as_the_shop_names_it() {
        assert!(is_id(&chassis::new_id("o")));
        for bad in [
            "",
            "o-",
            "nonsense",
            "o-0006611b832801d871ba66f",
            "p-000001",
        ] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_can_be_written_down() {
        assert_eq!(check_key("0b7c-1"), Ok(()));
        for bad in ["", "a b", "ä", &"x".repeat(129)] {
            assert_eq!(check_key(bad), Err(BadKey), "{bad}");
        }
    }

    #[test]
    fn an_order_costs_what_its_lines_cost_and_an_unknown_product_has_no_price() {
        let prices = HashMap::from([
            (api::product_id(1), Cents(250)),
            (api::product_id(2), Cents(1)),
        ]);
        let (items, total) = price(
            &order(vec![item("p-000001", 2), item("p-000002", 3)]),
            &prices,
        )
        .unwrap();
        assert_eq!((items.len(), total), (2, Cents(503)));
        let unknown = order(vec![item("p-999999", 1)]);
        assert!(matches!(
            price(&unknown, &prices),
            Err(BadOrder::Unknown(_))
        ));
    }
}
