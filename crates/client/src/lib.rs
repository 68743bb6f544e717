//! Calling other services: client-side discovery and load balancing (<https://microservices.io/patterns/client-side-discovery.html>).
//!
//! An [`Upstream`] knows the replicas of a service from an [`Address`], which is a file, a DNS name or one fixed replica. Each request
//! goes to the less loaded of two replicas chosen at random, over HTTP or gRPC, within the deadline of the request that it is for,
//! which the whole answer must meet.
//! It is sent once: only a connection that was refused is tried again, on another replica.
//!
//! **Use it** where replicas come and go and calls must spread over them at once, also over long-lived connections of HTTP/2.
//! **Do not use it** where something in between balances already (a mesh, a load balancer with one address): give
//! that as the fixed replica, or use a plain client.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, http::{HeaderMap, Method, uri::PathAndQuery}, routing::get};
//! use client::Upstream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = format!("http://{}", listener.local_addr()?);
//! # let app = Router::new().route("/stock/{id}", get(async || "7"));
//! # tokio::spawn(async { axum::serve(listener, app).await });
//! // Or file:services.json, or dns://stock:8080?timeout=2s, which says more than what is meant here.
//! let stock = Upstream::new("stock", &address.parse()?, Duration::from_secs(1));
//! let path = PathAndQuery::from_static("/stock/p-1");
//! let answer = stock.send(Method::GET, "/stock/{id}", path, HeaderMap::new(), bytes::Bytes::new());
//! assert_eq!(answer.await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! **It costs** hyper's client, hickory-resolver for names, and the crates `chassis` (errors and deadlines) and `telemetry`, which
//! measures every attempt.

mod discovery;
mod failure;
mod replicas;
mod upstream;

pub use discovery::{ADDRESS_HELP, Address, DEFAULT_ADDRESS};
pub use upstream::{Body, GrpcUpstream, Upstream};
