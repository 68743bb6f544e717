//! Starts the shop, loads it, compares what its telemetry says with what the clients saw, and says PASS or FAIL.
//!
//! In reading order: [`cli`] (what can be asked for), [`deployment`] (the shop as local processes), [`engine`] (arrivals
//! that wait for nobody) and its [`personas`], [`recording`] and [`statistics`] (what the client saw, and how sure that
//! is), [`evidence`] (what the shop's telemetry says, and whether it adds up), [`experiments`], [`verdict`], [`report`].

mod accounts;
mod audit;
pub mod cli;
mod compare;
pub mod deployment;
pub mod engine;
pub mod evidence;
pub mod experiments;
mod http;
mod lab;
pub mod personas;
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
