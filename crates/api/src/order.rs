//! Orders as they travel between the shop and its callers.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Cents, OrderId, ProductId, objects::objects, whole::whole};

objects!(NewOrder, NewItem);

/// The most lines of one order.
pub const MAX_ORDER_ITEMS: usize = 20;
/// The most units of one product in one order.
pub const MAX_QUANTITY: i64 = 100;

/// A card that the payment provider always declines.
pub const DECLINED_CARD: &str = "4000000000000002";
/// A card whose provider breaks down over it, every time.
pub const BROKEN_CARD: &str = "4000000000000119";
/// A card that pays.
pub const GOOD_CARD: &str = "4242424242424242";

/// A card number. It is shown nowhere: `Debug` leaves it out, and nothing that is written down has it but as a [`SealedCard`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[0-9]{12,19}$", example = "4242424242424242")]
pub struct CardNumber(pub String);

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardNumber(…)")
    }
}

/// A card number that payments alone can read; the crate `cards` seals and opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealedCard {
    /// Names the key that opens it.
    pub key_id: String,
    /// HPKE's encapsulated key and ciphertext (RFC 9180), one after the other in base64url (RFC 4648).
    pub sealed: String,
}

/// What to buy and how to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct NewOrder {
    /// 1 to 20 lines, each of another product.
    #[schema(min_items = 1, max_items = 20)]
    pub items: Vec<NewItem>,
    /// 12 to 19 digits. Test cards: 4242424242424242 pays, 4000000000000002 is declined,
    /// 4000000000000119 breaks the provider.
    pub card_number: CardNumber,
}

/// One line of an order to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct NewItem {
    /// Which product.
    pub product_id: ProductId,
    /// How many units, from 1 to 100.
    #[schema(minimum = 1, maximum = 100)]
    #[serde(deserialize_with = "whole")]
    pub quantity: i64,
}

/// One line of an order, at the price of the moment it was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderItem {
    /// Which product.
    pub product_id: ProductId,
    /// Units.
    pub quantity: i64,
    /// EUR cents for one unit.
    #[schema(value_type = i64)]
    pub price_cents: Cents,
}

/// Where an order stands. `pending` is the only one that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Accepted; stock and payment are being asked for.
    Pending,
    /// Paid, and the goods are ours to send.
    Confirmed,
    /// Nothing was sold and nothing is owed.
    Cancelled,
}

impl OrderStatus {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why an order was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// There was not enough of something.
    OutOfStock,
    /// The card was not charged.
    PaymentDeclined,
    /// It was not final in time.
    TimedOut,
}

impl CancelReason {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfStock => "out_of_stock",
            Self::PaymentDeclined => "payment_declined",
            Self::TimedOut => "timed_out",
        }
    }
}

/// What the amounts of an order are in (ISO 4217).
// There is one until no replica runs that knows none: inventory hands an order on as it has read it, and would take another one off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Currency {
    /// What all orders were in that name none.
    #[default]
    #[serde(rename = "EUR")]
    Eur,
}

impl Currency {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
        }
    }
}

/// An order as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// Names it for ever.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<CancelReason>,
    /// What was ordered.
    pub items: Vec<OrderItem>,
    /// EUR cents.
    #[schema(value_type = i64)]
    pub total_cents: Cents,
    /// What the amounts are in.
    // Answers that the version before has kept for a key name none.
    #[serde(default)]
    #[schema(required = true)]
    pub currency: Currency,
    /// RFC 3339, UTC.
    #[schema(example = "2026-11-25T14:00:00Z")]
    pub created_at: String,
}

/// Part of a shopper's orders, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderPage {
    /// The orders on this page.
    pub items: Vec<Order>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
