//! What is done to the shop under load: steps as data, and who carries them out.

mod act;
mod outage;
mod runner;
mod steps;

pub(crate) use act::{clear_faults, set_fault};
pub(crate) use runner::run;
pub use steps::{Act, Do, FAULT, Fault, Moment, Rounds, Step, after, at_end, at_start};
pub(crate) use steps::{Due, schedule};
