//! The wire contract of the shop: HTTP bodies, protobuf messages and the seed data. No logic.

mod product;
pub mod seed;

pub use product::{
    Availability, Category, NewProduct, Product, ProductChange, ProductId, ProductIdError,
    ProductPage, ProductWithAvailability,
};
pub use seed::{CATEGORIES, product_id, seed};

/// gRPC of the catalogue.
#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated from proto/catalog.proto"
)]
pub mod catalog {
    tonic::include_proto!("windtunnel.catalog.v1");
}

/// gRPC of the inventory.
#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated from proto/inventory.proto"
)]
pub mod inventory {
    tonic::include_proto!("windtunnel.inventory.v1");
}

/// The most ids one gRPC request may name.
pub const MAX_IDS: usize = 100;
