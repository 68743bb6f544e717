//! What was measured of pods, and the one sample of each that counts.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::{
    instant::{self, unset},
    pod::Resources,
    quantity::Quantity,
};

/// The window of a sample that does not name one.
const DEFAULT_WINDOW: Duration = Duration::from_mins(1);

/// What the containers of a pod used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodUsage {
    /// The pod's name.
    pub pod: String,
    /// The end of the time in which it was measured.
    #[serde(with = "instant")]
    pub timestamp: SystemTime,
    /// The length of that time.
    #[serde(rename = "windowSeconds", with = "instant::seconds")]
    pub window: Duration,
    /// Its containers.
    pub containers: Vec<ContainerUsage>,
}

/// What a container used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerUsage {
    /// Its name.
    pub name: String,
    /// By resource.
    pub usage: Resources,
}

/// The value of a metric for a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodValue {
    /// The pod's name.
    pub pod: String,
    /// The value.
    pub value: Quantity,
}

/// One value of one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The end of the time in which it was measured.
    pub timestamp: SystemTime,
    /// The length of that time.
    pub window: Duration,
    /// The value in thousandths.
    pub value: i64,
}

impl Sample {
    /// A value of which it does not matter when it was measured.
    pub fn of(value: i64) -> Self {
        Self {
            timestamp: unset(),
            window: DEFAULT_WINDOW,
            value,
        }
    }
}

/// Samples by the name of their pod. A pod without one is missing.
pub type Samples = BTreeMap<String, Sample>;

/// What a resource was in each pod: the sum of all containers, or one of them. A pod is missing if any container that counts is.
pub fn resource_samples(usages: &[PodUsage], resource: &str, container: Option<&str>) -> Samples {
    let used = |it: &ContainerUsage| it.usage.get(resource).map(Quantity::milli);
    let value = |pod: &PodUsage| match container {
        Some(name) => pod
            .containers
            .iter()
            .find(|it| it.name == name)
            .and_then(used),
        None if pod.containers.is_empty() => None,
        None => pod
            .containers
            .iter()
            .try_fold(0_i64, |sum, it| Some(sum.wrapping_add(used(it)?))),
    };
    let sample = |pod: &PodUsage| {
        let sample = Sample {
            timestamp: pod.timestamp,
            window: pod.window,
            value: value(pod)?,
        };
        Some((pod.pod.clone(), sample))
    };
    usages.iter().filter_map(sample).collect()
}

/// What a metric was in each pod.
pub fn pod_samples(values: &[PodValue]) -> Samples {
    let sample = |it: &PodValue| (it.pod.clone(), Sample::of(it.value.milli()));
    values.iter().map(sample).collect()
}
