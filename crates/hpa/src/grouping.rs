//! Which pods count: those that are ready, with a sample that can be trusted.

use std::collections::BTreeSet;

use crate::{
    calculator::Calculator,
    instant::{outlasts, unset},
    pod::{Phase, Pod},
    sample::{Sample, Samples},
    status::ConditionStatus,
};

/// The pods by how they count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// How many are ready and have a sample.
    pub ready: usize,
    /// Not ready yet: their samples do not count.
    pub unready: BTreeSet<String>,
    /// Without a sample.
    pub missing: BTreeSet<String>,
    /// Failed, or being deleted: they do not count at all.
    pub ignored: BTreeSet<String>,
}

impl Calculator<'_> {
    /// Sorts the pods. Only for CPU does it matter whether a pod is ready, because a pod that starts uses more than it will.
    pub fn group(&self, samples: &Samples, resource: &str) -> Groups {
        let mut groups = Groups::default();
        for pod in self.pods {
            let name = || pod.name.clone();
            if pod.deletion_timestamp.is_some() || pod.phase == Phase::Failed {
                groups.ignored.insert(name());
            } else if pod.phase == Phase::Pending {
                groups.unready.insert(name());
            } else if let Some(sample) = samples.get(&pod.name) {
                if resource == "cpu" && is_unready(self, pod, sample) {
                    groups.unready.insert(name());
                } else {
                    groups.ready += 1;
                }
            } else {
                groups.missing.insert(name());
            }
        }
        groups
    }
}

fn is_unready(calculator: &Calculator<'_>, pod: &Pod, sample: &Sample) -> bool {
    let (Some(ready), Some(start)) = (pod.ready, pod.start_time) else {
        return true;
    };
    let not_ready = ready.status == ConditionStatus::False;
    let transition = ready.last_transition_time.unwrap_or_else(unset);
    if outlasts(start, calculator.cpu_initialization_period, calculator.now) {
        // Of a pod that has just started a sample counts once its window began after the pod became ready.
        not_ready || outlasts(transition, sample.window, sample.timestamp)
    } else {
        // Later a pod that is not ready counts, unless it never was.
        not_ready && outlasts(start, calculator.initial_readiness_delay, transition)
    }
}
