//! How a service runs and fails: the "microservice chassis" pattern (<https://microservices.io/patterns/microservice-chassis.html>).
//!
//! A service calls [`run`] with its [`Config`] and a function that builds its router with the help of its [`Host`]. The
//! chassis serves it on a public listener, answers probes on an admin listener, limits what comes in, turns errors into
//! problem+json (RFC 9457), refuses what there is no room for, hands deadlines on, and drains when told to stop.
//!
//! **Use it** when several services should start, fail and stop alike, and should be observed without a line in their handlers.
//! **Do not use it** for a single program that has one listener and no probes, or where a mesh already enforces deadlines and
//! limits: two that do so disagree.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use chassis::{Concurrency, Error, Limits, public};
//! use tower::ServiceExt as _;
//!
//! async fn find() -> Result<String, Error> {
//!     Err(Error::NotFound("product"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let limits = Limits { timeout: Duration::from_secs(1), body: 1024, concurrency: Concurrency::default() };
//! let app = public(Router::new().route("/", get(find)), limits);
//! let answer = app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
//! assert_eq!(answer.status(), StatusCode::NOT_FOUND);
//! assert_eq!(answer.headers()["content-type"], "application/problem+json");
//! # }
//! ```
//!
//! (A service itself says `chassis::run("catalog", &config, async |host| Ok(app))`.)
//!
//! **It costs** axum, hyper and tonic, and the crate `telemetry`; no client of a database, a broker or a cache.

mod admin;
mod admission;
mod app;
mod body;
mod clock;
mod config;
pub mod deadline;
mod descriptors;
pub mod documentation;
mod error;
mod explanation;
mod faults;
mod head;
mod host;
mod layers;
mod ndjson;
mod readiness;
mod run;
mod serve;
mod supervisor;
pub mod url;

pub use admission::{Allowed, Class, Concurrency, SHED, elsewhere};
pub use app::{App, Share};
pub use clock::{from_rfc3339, new_id, now_ms, rfc3339};
pub use config::{Config, Switch};
pub use error::{Error, Problem};
pub use faults::{DATABASE, Fault, Faults, TelemetryLoss};
pub use host::Host;
pub use layers::{Limits, public};
pub use ndjson::ndjson;
pub use run::run;
pub use serve::{CLIENT_IDLE_TIMEOUT, Door, counted_as, serve};
pub use supervisor::Announcement;
