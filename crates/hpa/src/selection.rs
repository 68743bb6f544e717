//! Which pods are replicas of the target, and of no other autoscaler's.

use crate::{
    labels::Selector,
    object::HorizontalPodAutoscaler,
    observation::{Observation, Scale},
    pod::Pod,
};

/// Why no pods can be told.
pub(crate) struct Refusal {
    /// The reason of the event.
    pub(crate) event: &'static str,
    /// The reason of the condition `ScalingActive`.
    pub(crate) reason: &'static str,
    /// The message of that condition.
    pub(crate) message: String,
    /// The error that is returned.
    pub(crate) error: String,
}

/// The pods that the target's selector selects.
pub(crate) fn pods<'a>(
    autoscaler: &HorizontalPodAutoscaler,
    scale: &Scale,
    seen: &'a Observation,
) -> Result<Vec<&'a Pod>, Refusal> {
    if scale.selector.is_empty() {
        return Err(Refusal {
            event: "SelectorRequired",
            reason: "InvalidSelector",
            message: "the HPA target's scale is missing a selector".to_owned(),
            error: "selector is required".to_owned(),
        });
    }
    let selector = Selector::parse(&scale.selector).map_err(|error| {
        let error = format!(
            "couldn't convert selector into a corresponding internal selector object: {error}"
        );
        Refusal {
            event: "InvalidSelector",
            reason: "InvalidSelector",
            message: error.clone(),
            error,
        }
    })?;
    let pods: Vec<&Pod> = seen
        .pods
        .iter()
        .filter(|it| selector.matches(&it.labels))
        .collect();
    let others = seen.others.iter().filter(|other| {
        Selector::parse(&other.selector)
            .is_ok_and(|it| pods.iter().any(|pod| it.matches(&pod.labels)))
    });
    let Some(other) = others.map(|it| &it.name).next() else {
        return Ok(pods);
    };
    let (namespace, name) = (&autoscaler.metadata.namespace, &autoscaler.metadata.name);
    let error = format!(
        "pods by selector {} are controlled by more than one HPA (e.g. [{namespace}/{name} {namespace}/{other}])",
        scale.selector
    );
    Err(Refusal {
        event: "AmbiguousSelector",
        reason: "AmbiguousSelector",
        message: error.clone(),
        error,
    })
}
