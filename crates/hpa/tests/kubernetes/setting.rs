//! What all cases have in common: a fixed time, and a controller as Kubernetes' tests set it up.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hpa::{Controller, GrowthLimit, unset};
use serde::de::DeserializeOwned;

/// Any time will do.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

pub(crate) fn ago(seconds: u64) -> SystemTime {
    now() - Duration::from_secs(seconds)
}

/// When a pod was started whose age in seconds is given, or long ago.
pub(crate) fn start(age: Option<&u64>) -> SystemTime {
    age.map_or_else(unset, |age| ago(*age))
}

/// With the settings of Kubernetes' tests, which let replicas grow eightfold so that no case meets that limit by accident.
pub(crate) fn controller() -> Controller {
    Controller {
        cpu_initialization_period: Duration::from_mins(2),
        initial_readiness_delay: Duration::from_secs(10),
        growth_limit: GrowthLimit {
            factor: 8.0,
            minimum: 4.0,
        },
        ..Controller::default()
    }
}

/// The rows of a table.
pub(crate) fn rows<T: DeserializeOwned>(table: &str) -> Vec<T> {
    hpa::read(table).expect("the table is YAML of this form")
}
