//! Starts the shop, loads it, compares what its telemetry says with what the clients saw, and says PASS or FAIL.
//!
//! The modules, each of which uses only those above it in this list (`tests/shop/order.rs` looks):
//!
//! - [`statistics`], [`verdict`], [`table`]: how sure a figure is, and what is said in the end
//! - `interrupted`, `http`, `process`, `processors`, [`run_dir`]: this machine
//! - [`deployment`]: the shop as local processes
//! - `accounts`: its shoppers
//! - [`engine`], `personas`: arrivals that wait for nobody, and what visitors do
//! - [`recording`]: what the clients saw
//! - `observe`: Prometheus and Alertmanager beside the shop
//! - [`evidence`]: what the shop says of itself; facts only
//! - `autoscaler`: how many replicas of a service there are
//! - `canary`: which version of a service there is
//! - `measurement`: all that is known of a stretch of load
//! - [`timeline`]: what is done to the shop meanwhile
//! - [`judge`]: facts turned into checks, without reading anything
//! - `setting`, `args`, `target`: what was asked for
//! - [`experiment`], [`experiments`]: what an experiment is, and a file for each
//! - `report`: the verdict for people and programs
//! - `progress`, `builds`: what is being done, and other revisions of this program
//! - `lab`, `side_by_side`, `closed`: where an experiment is carried out, or two shops take turns, and how much a path carries
//! - `prepare`, `trickle`, `receive`: what a deployment in containers begins with, what keeps it from being idle, and where it tells of alerts
//! - `bench`, `compare`, `up`, `drill`, `run`, [`cli`]: the commands

mod accounts;
mod args;
mod autoscaler;
mod bench;
mod builds;
mod canary;
pub mod cli;
mod closed;
mod compare;
pub mod deployment;
mod drill;
pub mod engine;
pub mod evidence;
pub mod experiment;
pub mod experiments;
mod http;
mod interrupted;
pub mod judge;
mod lab;
mod measurement;
mod observe;
mod personas;
mod prepare;
mod process;
mod processors;
mod progress;
mod receive;
pub mod recording;
mod report;
mod run;
pub mod run_dir;
mod setting;
mod side_by_side;
pub mod statistics;
pub mod table;
mod target;
pub mod timeline;
mod trickle;
mod up;
pub mod verdict;

pub use cli::main;
