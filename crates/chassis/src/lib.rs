//! How a service runs and fails: the "microservice chassis" pattern.
//!
//! A service calls [`run`] with its [`Config`] and a function that builds its router with the help of its [`Host`]. The
//! chassis serves it on a public listener, answers probes on an admin listener, limits what comes in, turns errors into
//! problem+json, and drains when told to stop.

mod admin;
mod body;
mod clock;
mod config;
pub mod deadline;
mod error;
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

pub use clock::{new_id, now_ms, rfc3339};
pub use config::{Config, Switch};
pub use error::{Error, Problem};
pub use faults::{Fault, Faults, TelemetryLoss};
pub use host::Host;
pub use layers::{App, Limits, public};
pub use ndjson::ndjson;
pub use run::run;
pub use serve::{CLIENT_IDLE_TIMEOUT, serve};
pub use supervisor::Announcement;
