//! What a stretch of load showed: the facts that checks are made of.

use crate::{
    engine::{parent::Load, plan::Plan},
    evidence::{Evidence, ledgers::Ledgers},
    recording::Recording,
};

/// What a stretch of load showed.
pub(crate) struct Measurement {
    pub(crate) plan: Plan,
    pub(crate) load: Load,
    pub(crate) recording: Recording,
    pub(crate) evidence: Evidence,
    /// What orders, inventory and payments have written down, of everything since the shop was started.
    pub(crate) ledgers: Ledgers,
    /// Processes that died meanwhile.
    pub(crate) incidents: Vec<String>,
    /// The share of processor time that other machines took meanwhile, from 0 to 1, where the kernel tells.
    pub(crate) stolen: Option<f64>,
    /// What was still under way when there was no more waiting.
    pub(crate) restless: Vec<String>,
}
