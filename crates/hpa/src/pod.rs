//! Pods, and what they request of a resource.

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::{
    calculator::CalculationError, instant, labels::Labels, quantity::Quantity,
    status::ConditionStatus,
};

/// Amounts of resources by name.
pub type Resources = BTreeMap<String, Quantity>;

/// What the algorithm needs to know of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pod {
    /// Its name, unique in the namespace.
    pub name: String,
    /// Its labels, by which it is selected.
    pub labels: Labels,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it was started.
    #[serde(skip_serializing_if = "Option::is_none", with = "instant::option")]
    pub start_time: Option<SystemTime>,
    /// When it is to be gone, if it is being deleted.
    #[serde(skip_serializing_if = "Option::is_none", with = "instant::option")]
    pub deletion_timestamp: Option<SystemTime>,
    /// Its condition `Ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Readiness>,
    /// Its containers.
    pub containers: Vec<Container>,
    /// Its init containers. Those that restart always are sidecars and request like the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// What it requests as a whole (`spec.resources.requests`).
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub requests: Resources,
    /// What running it costs on top (`spec.overhead`).
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub overhead: Resources,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Accepted, and not yet running.
    Pending,
    /// Running.
    Running,
    /// All its containers have ended well.
    Succeeded,
    /// All its containers have ended, one of them badly.
    Failed,
    /// Not known.
    #[default]
    Unknown,
}

/// The condition `Ready` of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Readiness {
    /// Whether it is.
    pub status: ConditionStatus,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none", with = "instant::option")]
    pub last_transition_time: Option<SystemTime>,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Container {
    /// Its name, unique in the pod.
    pub name: String,
    /// What it requests.
    pub requests: Resources,
    /// Whether it restarts always, which makes an init container a sidecar.
    #[serde(skip_serializing_if = "is_false")]
    pub restarts_always: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what serde calls it with"
)]
fn is_false(it: &bool) -> bool {
    !it
}

impl Pod {
    /// Whether it runs and is ready.
    pub fn is_ready(&self) -> bool {
        let ready = self
            .ready
            .is_some_and(|it| it.status == ConditionStatus::True);
        self.phase == Phase::Running && ready
    }

    /// What it requests of a resource, in thousandths: as a whole if it says so and no container is asked for, else the sum of its
    /// containers and sidecars, each of which must say what it requests.
    pub fn request(
        &self,
        resource: &str,
        container: Option<&str>,
        pod_level: bool,
    ) -> Result<i64, CalculationError> {
        if container.is_none() && pod_level && self.requests.keys().any(|it| is_pod_level(it)) {
            let request = self.pod_level_request(resource);
            return request.ok_or_else(|| CalculationError::MissingPodLevelRequest {
                resource: resource.to_owned(),
                pod: self.name.clone(),
            });
        }
        let sidecars = self.init_containers.iter().filter(|it| it.restarts_always);
        let mut sum = 0_i64;
        for it in self.containers.iter().chain(sidecars) {
            if container.is_some_and(|name| name != it.name) {
                continue;
            }
            let request = it.requests.get(resource);
            let request = request.ok_or_else(|| CalculationError::MissingRequest {
                resource: resource.to_owned(),
                container: it.name.clone(),
                pod: self.name.clone(),
            })?;
            sum = sum.wrapping_add(request.milli());
            if container.is_some() {
                return Ok(sum);
            }
        }
        match container {
            Some(container) => Err(CalculationError::ContainerNotFound {
                container: container.to_owned(),
                pod: self.name.clone(),
            }),
            None => Ok(sum),
        }
    }

    /// What it requests as a whole, its overhead included; where only its containers say, what they request at the most.
    fn pod_level_request(&self, resource: &str) -> Option<i64> {
        let own = is_pod_level(resource)
            .then(|| self.requests.get(resource))
            .flatten();
        let base = match own {
            Some(request) => Some(request.milli()),
            None => self.container_level_request(resource),
        };
        let overhead = self.overhead.get(resource).map(Quantity::milli);
        match (base, overhead) {
            (None, None) => None,
            (base, overhead) => Some(base.unwrap_or(0).saturating_add(overhead.unwrap_or(0))),
        }
    }

    /// Containers and sidecars together, or what an init container needs beside the sidecars before it, whichever is more.
    fn container_level_request(&self, resource: &str) -> Option<i64> {
        let of = |it: &Container| it.requests.get(resource).map(Quantity::milli);
        let mut known = false;
        let mut running = 0_i64;
        for it in &self.containers {
            known |= of(it).is_some();
            running = running.saturating_add(of(it).unwrap_or(0));
        }
        let (mut sidecars, mut starting) = (0_i64, 0_i64);
        for it in &self.init_containers {
            let request = of(it).unwrap_or(0);
            known |= of(it).is_some();
            if it.restarts_always {
                running = running.saturating_add(request);
                sidecars = sidecars.saturating_add(request);
                starting = starting.max(sidecars);
            } else {
                starting = starting.max(sidecars.saturating_add(request));
            }
        }
        known.then(|| running.max(starting))
    }
}

/// Whether a resource can be requested for a pod as a whole.
fn is_pod_level(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory") || resource.starts_with("hugepages-")
}
