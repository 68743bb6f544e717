//! What stands in the repository about objectives, alerts and owners agrees with itself and with what services record.

mod alertmanager;
mod alerts;
mod generated;
mod metrics;
mod promql;
mod runbooks;
