//! What services tell each other over the broker, and who listens to what. Each type of event is named once, here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CancelReason, Cents, Currency, OrderItem, Product, SealedCard};

/// Makes [`Fact`] of lines that say `NAME = "type": Variant data`.
macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident = $kind:tt: $variant:ident $data:tt)+) => {
        /// What happened: in JSON, the `type` of an event and its `data`.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(tag = "type", content = "data")]
        pub enum Fact {
            $($(#[$doc])* #[serde(rename = $kind)] $variant $data,)+
        }

        impl Fact {
            $($(#[$doc])* pub const $name: &'static str = $kind;)+

            /// Every type there is.
            pub const KINDS: &[&'static str] = &[$(Self::$name),+];

            /// The `type` of its event.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => Self::$name,)+
                }
            }
        }
    };
}

facts! {
    /// orders: an order was accepted.
    ORDER_PLACED = "order.placed": OrderPlaced (PlacedOrder)
    /// orders: it is paid and final.
    ORDER_CONFIRMED = "order.confirmed": OrderConfirmed {}
    /// orders: it is off and final; whoever holds something for it gives it back.
    ORDER_CANCELLED = "order.cancelled": OrderCancelled {
        /// Why.
        reason: CancelReason,
    }
    /// inventory: everything ordered is put aside. It hands the order on, so that payments needs no other event.
    STOCK_RESERVED = "stock.reserved": StockReserved (PlacedOrder)
    /// inventory: there is not enough of something; nothing is put aside.
    STOCK_REJECTED = "stock.rejected": StockRejected {}
    /// payments: the card was charged.
    PAYMENT_CAPTURED = "payment.captured": PaymentCaptured {
        /// EUR cents.
        #[schema(value_type = i64)]
        amount_cents: Cents,
    }
    /// payments: the card was not charged.
    PAYMENT_DECLINED = "payment.declined": PaymentDeclined {}
    /// payments: what was charged for an order that is off was given back.
    PAYMENT_REFUNDED = "payment.refunded": PaymentRefunded {
        /// EUR cents.
        #[schema(value_type = i64)]
        amount_cents: Cents,
    }
    /// catalog: a product was created or changed, and is now as said here.
    PRODUCT_CHANGED = "product.changed": ProductChanged (Product)
}

/// An order on its way through the saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacedOrder {
    /// What was ordered.
    pub items: Vec<OrderItem>,
    /// EUR cents.
    #[schema(value_type = i64)]
    pub total_cents: Cents,
    /// What the amounts are in; euros where none is named, as in events of the version before.
    #[serde(default)]
    pub currency: Currency,
    /// What to charge.
    pub card: SealedCard,
}

/// A queue of one consuming service, all its replicas together, and the types of events that are put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// The service.
    pub name: &'static str,
    /// Types of events.
    pub types: &'static [&'static str],
}

impl From<Queue> for (&'static str, &'static [&'static str]) {
    fn from(Queue { name, types }: Queue) -> Self {
        (name, types)
    }
}

/// Every queue there is. Whoever opens the broker declares all of them, so that no event is told before somebody listens.
pub const QUEUES: [Queue; 4] = [
    Queue {
        name: "inventory",
        types: &[
            Fact::ORDER_PLACED,
            Fact::ORDER_CONFIRMED,
            Fact::ORDER_CANCELLED,
        ],
    },
    Queue {
        name: "payments",
        types: &[Fact::STOCK_RESERVED, Fact::ORDER_CANCELLED],
    },
    Queue {
        name: "orders",
        types: &[
            Fact::STOCK_REJECTED,
            Fact::PAYMENT_CAPTURED,
            Fact::PAYMENT_DECLINED,
        ],
    },
    Queue {
        name: "search",
        types: &[Fact::PRODUCT_CHANGED],
    },
];

/// Types of events that every process may overhear as well, each replica all of them. Nothing of anybody's order is in them: a
/// broker may keep them for a while.
pub const BROADCAST: [&str; 1] = [Fact::PRODUCT_CHANGED];

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> PlacedOrder {
        PlacedOrder {
            items: Vec::new(),
            total_cents: Cents(1),
            currency: Currency::Eur,
            card: SealedCard {
                key_id: "0123456789abcdef".into(),
                sealed: "AAAA".into(),
            },
        }
    }

    #[test]
    fn every_fact_reads_as_it_was_written_and_its_type_is_the_one_it_says() {
        let reason = CancelReason::TimedOut;
        let facts = [
            Fact::OrderPlaced(order()),
            Fact::OrderConfirmed {},
            Fact::OrderCancelled { reason },
            Fact::StockReserved(order()),
            Fact::StockRejected {},
            Fact::PaymentCaptured {
                amount_cents: Cents(5),
            },
            Fact::PaymentDeclined {},
            Fact::PaymentRefunded {
                amount_cents: Cents(5),
            },
            Fact::ProductChanged(crate::seed(1).next().unwrap()),
        ];
        let kinds: Vec<_> = facts.iter().map(Fact::kind).collect();
        assert_eq!(kinds, Fact::KINDS);
        for fact in facts {
            let json = serde_json::to_value(&fact).unwrap();
            assert_eq!(json["type"], fact.kind());
            assert!(json["data"].is_object(), "{json}");
            assert_eq!(serde_json::from_value::<Fact>(json).unwrap(), fact);
        }
    }

    #[test]
    fn queues_are_for_types_that_there_are() {
        for kind in QUEUES.iter().flat_map(|it| it.types).chain(&BROADCAST) {
            assert!(Fact::KINDS.contains(kind), "{kind}");
        }
    }

    #[test]
    fn no_order_is_broadcast() {
        for carrier in [Fact::OrderPlaced(order()), Fact::StockReserved(order())] {
            assert!(!BROADCAST.contains(&carrier.kind()));
        }
    }
}
