//! What services tell each other over the broker: `CloudEvents` 1.0 in JSON, and who listens to what.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>

use serde::{Deserialize, Serialize};

use crate::{CancelReason, CardNumber, Cents, IdError, OrderId, OrderItem, Product};

/// An event with its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The version of the specification.
    pub specversion: String,
    /// Names the event; a consumer that has seen it does nothing.
    pub id: String,
    /// The service that tells it, such as `/orders`.
    pub source: String,
    /// The order or product it is about.
    pub subject: String,
    /// RFC 3339, UTC: when it happened.
    pub time: String,
    /// The trace it belongs to (`CloudEvents` extension "Distributed Tracing"); the parent is the span that sent it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
    /// The rest of the trace context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tracestate: Option<String>,
    /// The request that led to it, an extension of ours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requestid: Option<String>,
    /// `type` and `data`.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Fact {
    /// orders: an order was accepted.
    #[serde(rename = "order.placed")]
    OrderPlaced(PlacedOrder),
    /// orders: it is paid and final.
    #[serde(rename = "order.confirmed")]
    OrderConfirmed {},
    /// orders: it is off and final; whoever holds something for it gives it back.
    #[serde(rename = "order.cancelled")]
    OrderCancelled {
        /// Why.
        reason: CancelReason,
    },
    /// inventory: everything ordered is put aside. It hands the order on, so that payments needs no other event.
    #[serde(rename = "stock.reserved")]
    StockReserved(PlacedOrder),
    /// inventory: there is not enough of something; nothing is put aside.
    #[serde(rename = "stock.rejected")]
    StockRejected {},
    /// payments: the card was charged.
    #[serde(rename = "payment.captured")]
    PaymentCaptured {
        /// EUR cents.
        amount_cents: Cents,
    },
    /// payments: the card was not charged.
    #[serde(rename = "payment.declined")]
    PaymentDeclined {},
    /// payments: what was charged for an order that is off was given back.
    #[serde(rename = "payment.refunded")]
    PaymentRefunded {
        /// EUR cents.
        amount_cents: Cents,
    },
    /// catalog: a product was created or changed, and is now as said here.
    #[serde(rename = "product.changed")]
    ProductChanged(Product),
}

/// An order on its way through the saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedOrder {
    /// What was ordered.
    pub items: Vec<OrderItem>,
    /// EUR cents.
    pub total_cents: Cents,
    /// What to charge.
    pub card_number: CardNumber,
}

impl Event {
    /// The order it is about.
    ///
    /// # Errors
    /// It is about something else.
    pub fn order_id(&self) -> Result<OrderId, IdError> {
        self.subject.parse()
    }
}

impl Fact {
    /// Every type there is.
    pub const KINDS: [&'static str; 9] = [
        "order.placed",
        "order.confirmed",
        "order.cancelled",
        "stock.reserved",
        "stock.rejected",
        "payment.captured",
        "payment.declined",
        "payment.refunded",
        "product.changed",
    ];

    /// The `type` of its event.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OrderPlaced(_) => "order.placed",
            Self::OrderConfirmed {} => "order.confirmed",
            Self::OrderCancelled { .. } => "order.cancelled",
            Self::StockReserved(_) => "stock.reserved",
            Self::StockRejected {} => "stock.rejected",
            Self::PaymentCaptured { .. } => "payment.captured",
            Self::PaymentDeclined {} => "payment.declined",
            Self::PaymentRefunded { .. } => "payment.refunded",
            Self::ProductChanged(_) => "product.changed",
        }
    }
}

/// A queue of one consuming service, all its replicas together, and the types of events that are put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// The service.
    pub name: &'static str,
    /// Types of events.
    pub types: &'static [&'static str],
}

/// Every queue there is. Whoever opens the broker declares all of them, so that no event is told before somebody listens.
pub const QUEUES: [Queue; 4] = [
    Queue {
        name: "inventory",
        types: &["order.placed", "order.confirmed", "order.cancelled"],
    },
    Queue {
        name: "payments",
        types: &["stock.reserved", "order.cancelled"],
    },
    Queue {
        name: "orders",
        types: &["stock.rejected", "payment.captured", "payment.declined"],
    },
    Queue {
        name: "search",
        types: &["product.changed"],
    },
];

/// Types of events that every process may overhear as well, each replica all of them. Nothing that must not stay is in
/// them: a broker may keep them for a while.
pub const BROADCAST: [&str; 1] = ["product.changed"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_it_was_written_and_its_type_is_the_one_it_says() {
        let facts = [
            Fact::OrderConfirmed {},
            Fact::OrderCancelled {
                reason: CancelReason::TimedOut,
            },
            Fact::PaymentCaptured {
                amount_cents: Cents(5),
            },
            Fact::ProductChanged(crate::seed(1).next().unwrap()),
        ];
        for fact in facts {
            let event = Event {
                specversion: "1.0".into(),
                id: "e-1".into(),
                source: "/test".into(),
                subject: "o-1".into(),
                time: "2026-11-25T14:00:00Z".into(),
                traceparent: None,
                tracestate: None,
                requestid: Some("r-1".into()),
                fact,
            };
            let text = serde_json::to_string(&event).unwrap();
            let kind = event.fact.kind();
            assert!(text.contains(&format!("\"type\":\"{kind}\"")), "{text}");
            assert!(Fact::KINDS.contains(&kind));
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
    }

    #[test]
    fn queues_are_for_types_that_there_are() {
        for kind in QUEUES.iter().flat_map(|it| it.types) {
            assert!(Fact::KINDS.contains(kind), "{kind}");
        }
    }

    #[test]
    fn no_card_number_is_shown() {
        let fact = Fact::OrderPlaced(PlacedOrder {
            items: Vec::new(),
            total_cents: Cents(1),
            card_number: CardNumber("4242424242424242".into()),
        });
        assert!(!format!("{fact:?}").contains("4242"));
    }
}
