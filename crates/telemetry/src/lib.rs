//! How every service is observed.
//!
//! Call [`init`] once, wrap the public router in [`observe`], start a [`ClientCall`] for every outbound attempt, a
//! [`Sending`] for every event that goes out, [`process`] those that come in, and run database work in [`db`]. That is the
//! whole contract: handlers only ever write `tracing` events.
//!
//! One request, and one delivery of an event, costs one histogram sample, one access line and, if its trace is sampled, one span. Whether it is sampled
//! is decided before anything of a span exists; the span is built once, complete, when the request is over. Nothing here
//! blocks or fails a request: lines and spans go to bounded queues, and what does not fit is counted.

pub mod attributes;
pub mod conventions;
pub mod fields;
pub mod loss;
pub mod names;

mod access;
mod client;
mod clock;
mod context;
mod cut_off;
mod db;
mod exposition;
mod init;
mod logs;
mod messaging;
mod metrics;
mod naming;
mod process;
mod rpc;
mod sampler;
mod segments;
mod server;
mod settings;
mod spans;
mod tracestate;
mod writer;

pub use client::{ClientCall, Server};
pub use context::{REQUEST_ID, RequestContext, current, in_context, is_hop_by_hop};
pub use cut_off::{CutOff, cut_off};
pub use db::{DbFailure, db};
pub use exposition::{metrics, openmetrics};
pub use init::{Telemetry, init};
pub use messaging::{Delivered, Origin, Sending, process};
pub use metrics::register;
pub use process::limit_memory;
pub use rpc::{is_grpc, serve_rpc};
pub use server::{Caller, Shed, is_rpc, observe, promise};
