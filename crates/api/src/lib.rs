//! The wire contract of the shop: HTTP bodies, events, protobuf messages and the seed data. No logic.

mod audit;
mod cents;
mod event;
mod id;
mod objects;
mod order;
mod product;
mod search;
pub mod seed;
mod user;
mod whole;

pub use audit::{AuditRow, PaymentEffect, StockEffect};
pub use cents::Cents;
pub use event::{BROADCAST, Fact, PlacedOrder, QUEUES, Queue};
pub use id::{IdError, OrderId, ProductId, UserId};
pub use order::{
    BROKEN_CARD, CancelReason, CardNumber, Currency, DECLINED_CARD, GOOD_CARD, MAX_ORDER_ITEMS,
    MAX_QUANTITY, NewItem, NewOrder, Order, OrderItem, OrderPage, OrderStatus, SealedCard,
};
pub use product::{
    Availability, Category, NewProduct, Product, ProductChange, ProductPage,
    ProductWithAvailability,
};
pub use search::{CategoryCount, Correction, Hit, SearchQuery, SearchResults};
pub use seed::{CATEGORIES, product_id, seed};
pub use user::{
    Claims, Credentials, Registered, Role, Session, TOKEN_AUDIENCE, TOKEN_ISSUER, User, email_key,
};

/// gRPC of the catalogue.
#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated from proto/catalog.proto"
)]
pub mod catalog {
    tonic::include_proto!("windtunnel.catalog.v1");
    include!(concat!(
        env!("OUT_DIR"),
        "/windtunnel.catalog.v1.methods.rs"
    ));
}

/// gRPC of the inventory.
#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated from proto/inventory.proto"
)]
pub mod inventory {
    tonic::include_proto!("windtunnel.inventory.v1");
    include!(concat!(
        env!("OUT_DIR"),
        "/windtunnel.inventory.v1.methods.rs"
    ));
}

/// The most ids one gRPC request may name.
pub const MAX_IDS: usize = 100;
