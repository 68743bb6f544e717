//! From samples of one metric to the number of replicas that it asks for: the controller's `ReplicaCalculator`.
//!
//! Values are thousandths (`i64`), totals wrap and are divided as the controller does it, and only ratios are floats.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    arithmetic,
    grouping::Groups,
    pod::Pod,
    sample::{Sample, Samples},
};

/// How far from its target a metric may be, as a share, without anything being changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// Below the target.
    pub scale_down: f64,
    /// Above the target.
    pub scale_up: f64,
}

impl Tolerances {
    /// The same in both directions.
    pub const fn both(tolerance: f64) -> Self {
        Self {
            scale_down: tolerance,
            scale_up: tolerance,
        }
    }

    /// Whether a ratio of value to target is near enough to 1, the limits included.
    pub fn contain(&self, ratio: f64) -> bool {
        (1.0 - self.scale_down) <= ratio && ratio <= (1.0 + self.scale_up)
    }
}

/// Why a metric says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalculationError {
    /// The selector selects no pod.
    #[error("no pods returned by selector while calculating replica count")]
    NoPods,
    /// No pod that counts has a sample.
    #[error("did not receive metrics for targeted pods (pods might be unready)")]
    NoSamples,
    /// No pod that has a sample requests any of the resource.
    #[error("no metrics returned matched known pods")]
    NoRequests,
    /// A container does not say what it requests.
    #[error("missing request for {resource} in container {container} of Pod {pod}")]
    MissingRequest {
        /// Of which resource.
        resource: String,
        /// Which container.
        container: String,
        /// Of which pod.
        pod: String,
    },
    /// A pod that requests resources as a whole does not request this one.
    #[error("missing pod-level request for {resource} in Pod {pod}")]
    MissingPodLevelRequest {
        /// Of which resource.
        resource: String,
        /// Which pod.
        pod: String,
    },
    /// A pod has no container of this name.
    #[error("container {container} not found in Pod {pod}")]
    ContainerNotFound {
        /// Which container.
        container: String,
        /// Of which pod.
        pod: String,
    },
    /// The pods that are ready cannot be counted.
    #[error("unable to calculate ready pods: {0}")]
    ReadyPods(Box<CalculationError>),
}

/// What a metric asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calculation {
    /// How many replicas.
    pub replicas: i32,
    /// The value in thousandths: the mean of the pods, or the whole for a target of type `Value`.
    pub usage: i64,
    /// The value in percent of what is requested, where that is the target.
    pub utilization: Option<i32>,
    /// The value divided by its target, of the pods that have a sample and count.
    pub ratio: f64,
    /// The same after missing and unready pods were filled in, where that was needed.
    pub cautious_ratio: Option<f64>,
}

/// Of what the pods are calculated with.
#[derive(Clone, Copy, Debug)]
pub struct Calculator<'a> {
    /// The pods that the selector selects.
    pub pods: &'a [&'a Pod],
    /// How many replicas there are to be now (`spec.replicas` of the target's scale).
    pub current: i32,
    /// How near to the target is near enough.
    pub tolerances: Tolerances,
    /// For how long after its start the CPU of a pod counts only from when it became ready.
    pub cpu_initialization_period: Duration,
    /// How long after its start a pod that is not ready is taken to have never been.
    pub initial_readiness_delay: Duration,
    /// Whether what pods request as a whole counts.
    pub pod_level_resources: bool,
    /// Now.
    pub now: SystemTime,
}

/// One way to compute ratio, mean and utilization from samples.
trait Target {
    fn ratio(&self, samples: &Samples) -> Result<Share, CalculationError>;
    /// What a missing pod is taken to use when that would mean fewer replicas.
    fn fallback(&self, pod: &str) -> i64;
}

struct Share {
    ratio: f64,
    usage: i64,
    utilization: Option<i32>,
}

/// A target in percent of what is requested.
struct Utilization {
    percent: i32,
    requests: BTreeMap<String, i64>,
}

/// A target as a mean of the pods, in thousandths.
struct Average(i64);

impl Target for Utilization {
    fn ratio(&self, samples: &Samples) -> Result<Share, CalculationError> {
        resource_utilization(samples, &self.requests, self.percent)
    }

    fn fallback(&self, pod: &str) -> i64 {
        let request = self.requests.get(pod).copied().unwrap_or(0);
        request.wrapping_mul(i64::from(self.percent.max(100))) / 100
    }
}

impl Target for Average {
    fn ratio(&self, samples: &Samples) -> Result<Share, CalculationError> {
        Ok(mean_usage(samples, self.0))
    }

    fn fallback(&self, _: &str) -> i64 {
        self.0
    }
}

/// The utilization of what the sampled pods request together.
fn resource_utilization(
    samples: &Samples,
    requests: &BTreeMap<String, i64>,
    percent: i32,
) -> Result<Share, CalculationError> {
    let (mut used, mut requested, mut count) = (0_i64, 0_i64, 0);
    for (pod, sample) in samples {
        if let Some(request) = requests.get(pod) {
            used = used.wrapping_add(sample.value);
            requested = requested.wrapping_add(*request);
            count += 1;
        }
    }
    if requested == 0 {
        return Err(CalculationError::NoRequests);
    }
    let utilization = arithmetic::percent(used, requested);
    Ok(Share {
        ratio: f64::from(utilization) / f64::from(percent),
        usage: arithmetic::mean(used, count),
        utilization: Some(utilization),
    })
}

/// The mean of the samples. There is at least one.
fn mean_usage(samples: &Samples, target: i64) -> Share {
    let values = samples.values().map(|it| it.value);
    let total = values.fold(0, i64::wrapping_add);
    let usage = arithmetic::mean(total, samples.len());
    Share {
        ratio: arithmetic::float(usage) / arithmetic::float(target),
        usage,
        utilization: None,
    }
}

impl Calculator<'_> {
    /// For a target in percent of the requests, of whole pods or of one container.
    pub fn utilization(
        &self,
        percent: i32,
        resource: &str,
        container: Option<&str>,
        samples: &Samples,
    ) -> Result<Calculation, CalculationError> {
        let (samples, groups) = self.counted(samples, resource)?;
        let mut requests = BTreeMap::new();
        for pod in self.pods {
            let request = pod.request(resource, container, self.pod_level_resources)?;
            requests.insert(pod.name.clone(), request);
        }
        self.of_pods(&Utilization { percent, requests }, samples, &groups)
    }

    /// For a target as a mean of the pods, in thousandths: of a resource if it is named, else of any metric.
    pub fn average(
        &self,
        target: i64,
        resource: Option<&str>,
        samples: &Samples,
    ) -> Result<Calculation, CalculationError> {
        let (samples, groups) = self.counted(samples, resource.unwrap_or_default())?;
        self.of_pods(&Average(target), samples, &groups)
    }

    /// For a target as one value, in thousandths. From zero replicas it takes one for each target that is in the value.
    pub fn value(&self, target: i64, value: i64) -> Result<Calculation, CalculationError> {
        let ratio = arithmetic::float(value) / arithmetic::float(target);
        let replicas = if self.current == 0 {
            arithmetic::ceil(ratio)
        } else if self.tolerances.contain(ratio) {
            self.current
        } else {
            let ready = self
                .ready_pods()
                .map_err(|it| CalculationError::ReadyPods(Box::new(it)))?;
            arithmetic::ceil(ratio * arithmetic::length(ready))
        };
        Ok(Calculation {
            replicas,
            usage: value,
            utilization: None,
            ratio,
            cautious_ratio: None,
        })
    }

    /// For a target as one value divided by the replicas that the target's status counts, in thousandths.
    pub fn value_per_replica(&self, target: i64, value: i64, status_replicas: i32) -> Calculation {
        let (float_value, target) = (arithmetic::float(value), arithmetic::float(target));
        let ratio = float_value / (target * f64::from(status_replicas));
        let replicas = if self.tolerances.contain(ratio) {
            status_replicas
        } else {
            arithmetic::ceil(float_value / target)
        };
        let usage = if value == i64::MAX {
            value
        } else {
            arithmetic::ceil_wide(float_value / f64::from(status_replicas))
        };
        Calculation {
            replicas,
            usage,
            utilization: None,
            ratio,
            cautious_ratio: None,
        }
    }

    fn ready_pods(&self) -> Result<usize, CalculationError> {
        if self.pods.is_empty() {
            return Err(CalculationError::NoPods);
        }
        Ok(self.pods.iter().filter(|it| it.is_ready()).count())
    }

    /// The samples of the pods that count, and what the others are.
    fn counted(
        &self,
        samples: &Samples,
        resource: &str,
    ) -> Result<(Samples, Groups), CalculationError> {
        if self.pods.is_empty() {
            return Err(CalculationError::NoPods);
        }
        let groups = self.group(samples, resource);
        let mut samples = samples.clone();
        samples.retain(|pod, _| !groups.ignored.contains(pod) && !groups.unready.contains(pod));
        if samples.is_empty() {
            return Err(CalculationError::NoSamples);
        }
        Ok((samples, groups))
    }

    fn of_pods(
        &self,
        target: &impl Target,
        mut samples: Samples,
        groups: &Groups,
    ) -> Result<Calculation, CalculationError> {
        let first = target.ratio(&samples)?;
        let ratio = first.ratio;
        let answer = |replicas, cautious_ratio| Calculation {
            replicas,
            usage: first.usage,
            utilization: first.utilization,
            ratio,
            cautious_ratio,
        };
        let up_with_unready = !groups.unready.is_empty() && ratio > 1.0;
        if !up_with_unready && groups.missing.is_empty() {
            let replicas = if self.tolerances.contain(ratio) {
                self.current
            } else {
                arithmetic::ceil(ratio * arithmetic::length(groups.ready))
            };
            return Ok(answer(replicas, None));
        }
        // Who is missing is taken to use what speaks against a change: nothing upwards, all of its share downwards.
        if ratio < 1.0 {
            let full = |pod: &String| (pod.clone(), Sample::of(target.fallback(pod)));
            samples.extend(groups.missing.iter().map(full));
        } else if ratio > 1.0 {
            samples.extend(
                groups
                    .missing
                    .iter()
                    .map(|pod| (pod.clone(), Sample::of(0))),
            );
        }
        if up_with_unready {
            samples.extend(
                groups
                    .unready
                    .iter()
                    .map(|pod| (pod.clone(), Sample::of(0))),
            );
        }
        let cautious = target.ratio(&samples)?.ratio;
        let turned = (ratio < 1.0 && cautious > 1.0) || (ratio > 1.0 && cautious < 1.0);
        let replicas = arithmetic::ceil(cautious * arithmetic::length(samples.len()));
        let backwards = (cautious < 1.0 && replicas > self.current)
            || (cautious > 1.0 && replicas < self.current);
        let stay = self.tolerances.contain(cautious) || turned || backwards;
        Ok(answer(
            if stay { self.current } else { replicas },
            Some(cautious),
        ))
    }
}
