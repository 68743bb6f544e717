//! What the engine is asked to do.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::mix::Mix;

/// A run of the engine.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Begins every request id, so that those of several runs differ; of the characters `[A-Za-z0-9._-]`.
    pub name: String,
    /// Where requests go, such as `http://127.0.0.1:8080`, or `file:PATH` of a discovery file whose gateways take turns.
    pub target: String,
    /// Decides arrivals, personas' choices and client addresses.
    pub seed: u64,
    /// Goose users, and so the most visits at once.
    pub users: usize,
    /// How many of the products that the shop was seeded with are asked for.
    pub products: u32,
    /// The longest a client waits for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// How long it says that it will wait, in milliseconds, if it says so.
    pub deadline_ms: Option<u64>,
    /// Who comes.
    pub mix: Mix,
    /// The tokens of shoppers who are logged in. They are handed over in memory and written down nowhere.
    pub tokens: Vec<String>,
    /// The token of the shop's admin, where somebody comes who needs it.
    pub admin: Option<String>,
    /// Phases, one after the other.
    pub phases: Vec<Phase>,
    /// Directory for `attempts.jsonl` and goose's own reports.
    pub output: PathBuf,
    /// Milliseconds in every hundred that busy loops take each of the engine's threads: a self-test.
    pub starve_ms: u64,
}

/// One stretch of load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What it is for.
    pub name: String,
    /// How long arrivals come, in seconds.
    pub seconds: f64,
    /// How they come.
    pub arrivals: Arrivals,
}

/// An arrival process; rates are arrivals a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly spaced.
    Constant {
        /// Arrivals a second.
        rate: f64,
    },
    /// Independent of each other: exponential gaps.
    Poisson {
        /// Arrivals a second on average.
        rate: f64,
    },
    /// Evenly spaced at a rate that changes linearly.
    Ramp {
        /// Arrivals a second at the start.
        from: f64,
        /// Arrivals a second at the end.
        to: f64,
    },
}

impl Arrivals {
    /// The highest rate.
    pub fn peak(self) -> f64 {
        match self {
            Self::Constant { rate } | Self::Poisson { rate } => rate,
            Self::Ramp { from, to } => from.max(to),
        }
    }
}

impl Plan {
    /// The time from the first to the last phase's end.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.phases.iter().map(|it| it.seconds).sum())
    }
}
