//! Calling other services: where their replicas are, which of them is asked, and for how long.

mod discovery;
mod failure;
mod replicas;
mod upstream;

pub use discovery::{ADDRESS_HELP, Address, DEFAULT_ADDRESS};
pub use upstream::{Body, GrpcUpstream, Upstream};
