//! Service level objectives as data.
//!
//! `observability/slo.yaml` says what is promised; [`Slo`] is one promise of it. [`rules`] writes what Prometheus computes and alerts by,
//! [`table`] what README.md shows. `observability/owners.yaml` says who owns which service ([`owners`]). [`scale`] shrinks the time in all
//! rules, so that a drill sees in seconds what takes hours.
//!
//! Both files are compiled in: [`shop`] and [`teams`] are what every user of this crate works with.

pub mod alert;
pub mod files;
mod indicator;
mod openslo;
pub mod owners;
pub mod rules;
pub mod runbook;
pub mod scale;
mod selector;
pub mod table;
pub mod windows;

use std::sync::LazyLock;

use anyhow::Context as _;
pub use indicator::{Indicator, Open};
pub use owners::{Team, Teams};
pub use selector::{Matcher, Selector};

/// Days over which an objective holds.
pub const PERIOD_DAYS: u32 = 30;

/// A promise: so large a share of events is good.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// Names it in rules and alerts, such as `checkout-latency`.
    pub name: String,
    /// What it says where people read it, such as `checkout is fast`.
    pub title: String,
    /// A sentence.
    pub description: String,
    /// Whose promise it is.
    pub service: String,
    /// The share of good events, in millionths, so that arithmetic on it is exact.
    target_millionths: u32,
    /// Which events there are, and which of them are bad.
    pub indicator: Indicator,
}

impl Slo {
    /// The share of events that must be good, such as 0.999.
    pub fn target(&self) -> f64 {
        f64::from(self.target_millionths) / 1e6
    }

    /// The share of events that may be bad, such as 0.001.
    pub fn budget(&self) -> f64 {
        f64::from(1_000_000 - self.target_millionths) / 1e6
    }

    /// The target as people write it, such as `99.9 %`.
    pub fn percent(&self) -> String {
        format!("{} %", f64::from(self.target_millionths) / 1e4)
    }
}

/// Reads objectives in the form of `OpenSLO`, in their order.
///
/// # Errors
/// What is not of that form, or of a part of it that nothing here understands.
pub fn read(text: &str) -> anyhow::Result<Vec<Slo>> {
    openslo::read(text)
}

/// The objectives of the shop: `observability/slo.yaml`.
pub fn shop() -> &'static [Slo] {
    static SHOP: LazyLock<Vec<Slo>> = LazyLock::new(|| {
        let text = include_str!("../../../observability/slo.yaml");
        let slos = read(text).context("observability/slo.yaml");
        slos.expect("a test reads the file that is compiled in")
    });
    &SHOP
}

/// The owners of the shop: `observability/owners.yaml`.
pub fn teams() -> &'static Teams {
    static TEAMS: LazyLock<Teams> = LazyLock::new(|| {
        let text = include_str!("../../../observability/owners.yaml");
        let teams = owners::read(text).context("observability/owners.yaml");
        teams.expect("a test reads the file that is compiled in")
    });
    &TEAMS
}
