//! Starts the shop, loads it, compares what its telemetry says with what the clients saw, and says PASS or FAIL.
//!
//! The modules, each of which uses only those above it in this list (`tests/shop/order.rs` looks):
//!
//! - [`statistics`], [`verdict`]: how sure a figure is, and what is said in the end
//! - `interrupted`, `http`, `process`, `processors`, [`run_dir`]: this machine
//! - [`deployment`]: the shop as local processes
//! - `accounts`: its shoppers
//! - [`engine`], `personas`: arrivals that wait for nobody, and what visitors do
//! - [`recording`]: what the clients saw
//! - [`evidence`]: what the shop says of itself; facts only
//! - `measurement`: all that is known of a stretch of load
//! - [`judge`]: facts turned into checks, without reading anything
//! - `report`: the verdict for people and programs
//! - `args`, `progress`: what was asked for, and how far it is
//! - `lab`: where an experiment is carried out
//! - [`experiments`]: a file each
//! - `bench`, `up`, `run`, [`cli`]: the commands

mod accounts;
mod args;
mod bench;
pub mod cli;
pub mod deployment;
pub mod engine;
pub mod evidence;
pub mod experiments;
mod http;
mod interrupted;
pub mod judge;
mod lab;
mod measurement;
mod personas;
mod process;
mod processors;
mod progress;
pub mod recording;
mod report;
mod run;
pub mod run_dir;
pub mod statistics;
mod up;
pub mod verdict;

pub use cli::main;
