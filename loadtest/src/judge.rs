//! What must be true: turns facts into checks. Nothing here reads a file, a clock or a socket.

pub(crate) mod audit;
pub(crate) mod caching;
pub(crate) mod canary;
pub(crate) mod comparison;
pub(crate) mod deadline;
pub(crate) mod isolation;
pub(crate) mod kills;
pub(crate) mod looks;
mod lost_samples;
pub(crate) mod objectives;
pub(crate) mod overload;
pub mod reconcile;
pub(crate) mod rollout;
pub(crate) mod saga;
pub(crate) mod scaling;
pub(crate) mod spike;
pub(crate) mod storm;
pub(crate) mod topology;
pub(crate) mod traces;
pub(crate) mod validity;
pub mod values;
