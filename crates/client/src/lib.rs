//! Calling other services: where their replicas are, which of them is asked, and for how long.

mod discovery;
mod failure;
mod replicas;
mod upstream;

pub use discovery::{Address, DnsName};
pub use upstream::{Body, GrpcUpstream, Options, Upstream};
