//! Calling other services: client-side discovery and load balancing (<https://microservices.io/patterns/client-side-discovery.html>).
//!
//! An [`Upstream`] knows the replicas of a service from an [`Address`], which is a file, a DNS name or one fixed replica. Each request
//! goes to the less loaded of two replicas chosen at random, over HTTP or gRPC, within the deadline of the request that it is for,
//! which the whole answer must meet.
//!
//! What protects caller and upstream from each other stands before that, in this order; each part can be set, or turned off, in the
//! address ([`ADDRESS_HELP`]), and is a part of the crate `resilience`:
//!
//! | part | a call |
//! |---|---|
//! | bulkhead | waits a moment for a place if too many are in flight already, and is rejected if none becomes free |
//! | circuit breaker | is rejected while most calls fail or take too long, but for one that tries now and then |
//! | retry budget | that failed is sent again, if it is idempotent, up to a share of all calls, and if there is time |
//! | ejection | does not go to a replica that fails or is slow by more than the others |
//!
//! A call ends with the request that it is for, and tells its callee how much time that has; when nobody waits for it any more it is closed.
//! Both can be turned off there too, to see what they are for.
//!
//! A call that is rejected costs nothing but an [`Error::Unavailable`](chassis::Error::Unavailable), a count and a span. An answer with
//! `Retry-After` is obeyed, and not held against who gave it: it is how a service sheds load. A request that is not idempotent is sent
//! once; only a connection that was refused is tried again for it, on another replica.
//!
//! Replicas may be on several *tracks*, such as a canary beside the stable ones: the discovery file names the track and the weight of each.
//! Then a call goes to a track first, as often as that weighs, and always to the same [`on_behalf_of`] the same caller; a retry goes
//! elsewhere if its track has no other replica.
//!
//! A service that is in the same process is found there ([`Address::within`]): a call to it is a call, with all of the above, and nothing
//! goes over a socket.
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
//! **It costs** hyper's client, hickory-resolver for names, and the crates `chassis` (errors and deadlines), `resilience` and `telemetry`,
//! which measures every attempt.

mod affinity;
mod bulkhead;
mod counts;
mod discovery;
mod failure;
mod fared;
mod gate;
mod protections;
mod replicas;
mod retries;
mod transport;
mod upstream;

pub use affinity::on_behalf_of;
pub use discovery::{ADDRESS_HELP, Address, DEFAULT_ADDRESS};
pub use transport::Body;
pub use upstream::{GrpcUpstream, Upstream};
