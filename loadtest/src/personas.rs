//! Who comes to the shop: one ordinary goose scenario each.

pub(crate) mod browser;
