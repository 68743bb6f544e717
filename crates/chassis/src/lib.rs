//! How a service runs and fails: the "microservice chassis" pattern.
//!
//! A service calls [`run`] with its [`Config`] and a function that builds its router with the help of its [`Host`]. The
//! chassis serves it on a public listener, answers probes on an admin listener, limits what comes in, turns errors into
//! problem+json, and drains when told to stop. [`Upstream`], [`Cache`], [`Database`] and [`Messaging`] are the ways out, each
//! chosen by a URL. [`Identity`] says who is asking.

mod admin;
mod broker;
mod cache;
mod clock;
mod config;
mod database;
mod deadline;
mod discovery;
mod error;
mod faults;
mod host;
mod identity;
mod layers;
mod messaging;
mod ndjson;
mod readiness;
mod replicas;
mod run;
mod serve;
mod supervisor;
mod upstream;

pub use broker::{AmqpUrl, Broker, BrokerUrl, DeadLetter, Depth, KafkaUrl, Overheard};
pub use cache::{Cache, CacheOptions, CacheUrl, Cached, Version};
pub use clock::{new_id, now_ms, rfc3339};
pub use config::{Config, Switch};
pub use database::{
    Database, DatabaseOptions, DatabaseUrl, Executor, Migrations, PostgresDatabase, PostgresUrl,
    Query, Record, SqliteDatabase, SqliteTransaction, Transaction, Value, query, round,
};
pub use discovery::{Address, DnsName};
pub use error::{Error, Problem};
pub use faults::{Fault, TelemetryLoss};
pub use host::Host;
pub use identity::{Admin, BearerScheme, Identity, SigningKey, Verifier};
pub use layers::{App, Limits, public};
pub use messaging::{Messaging, Subscription};
pub use ndjson::ndjson;
pub use run::run;
pub use serve::CLIENT_IDLE_TIMEOUT;
pub use supervisor::Announcement;
pub use upstream::{GrpcUpstream, Upstream, UpstreamBody, UpstreamOptions};
