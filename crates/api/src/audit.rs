//! What `GET /audit` on the admin ports of orders, inventory and payments answers: one JSON object a line.
//!
//! Ledgers only grow. A final balance alone would hide a double capture that was refunded.

use serde::{Deserialize, Serialize};

use crate::{CancelReason, Cents, OrderId, OrderStatus, ProductId};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AuditRow {
    /// orders: an order as it stands.
    Order {
        /// Which.
        order_id: OrderId,
        /// Where it stands.
        status: OrderStatus,
        /// Why it was cancelled, if it was.
        reason: Option<CancelReason>,
        /// EUR cents.
        total_cents: Cents,
        /// The key it was placed with.
        idempotency_key: String,
        /// Product and units.
        items: Vec<(ProductId, i64)>,
    },
    /// inventory: something was put aside, given back or sold.
    Stock {
        /// For which order.
        order_id: OrderId,
        /// The event that caused it.
        event_id: String,
        /// Which product.
        product_id: ProductId,
        /// What was done.
        effect: StockEffect,
        /// Units, always positive.
        quantity: i64,
    },
    /// inventory: a product as it stands, once for each product that the ledger names.
    Level {
        /// Which product.
        product_id: ProductId,
        /// Units at the start.
        initial: i64,
        /// Units now.
        on_hand: i64,
        /// Of which so many are put aside.
        reserved: i64,
    },
    /// payments: money was taken, given back, or could not be taken.
    Payment {
        /// For which order.
        order_id: OrderId,
        /// The event that caused it.
        event_id: String,
        /// What was done.
        effect: PaymentEffect,
        /// EUR cents, always positive.
        amount_cents: Cents,
    },
}

/// What inventory did for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockEffect {
    /// Put aside.
    Reserved,
    /// Given back.
    Released,
    /// Gone.
    Sold,
}

impl StockEffect {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::Sold => "sold",
        }
    }

    /// The effect that is written so.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Reserved, Self::Released, Self::Sold]
            .into_iter()
            .find(|it| it.as_str() == name)
    }
}

/// What payments did for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentEffect {
    /// Taken.
    Captured,
    /// Given back.
    Refunded,
    /// Not taken.
    Declined,
}

impl PaymentEffect {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Refunded => "refunded",
            Self::Declined => "declined",
        }
    }

    /// The effect that is written so.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Captured, Self::Refunded, Self::Declined]
            .into_iter()
            .find(|it| it.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_reads_as_it_was_written_and_as_json_has_it() {
        for name in ["reserved", "released", "sold"] {
            let effect = StockEffect::named(name).unwrap();
            assert_eq!(effect.as_str(), name);
            assert_eq!(serde_json::to_value(effect).unwrap(), name);
        }
        for name in ["captured", "refunded", "declined"] {
            let effect = PaymentEffect::named(name).unwrap();
            assert_eq!(effect.as_str(), name);
            assert_eq!(serde_json::to_value(effect).unwrap(), name);
        }
        assert_eq!(StockEffect::named("stolen"), None);
        assert_eq!(PaymentEffect::named("lent"), None);
    }
}
