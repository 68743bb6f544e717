//! One metric of the specification: how many replicas it asks for, its entry in the status, or why it says nothing.

use crate::{
    calculator::{Calculation, Calculator},
    object::MetricSpec,
    reading::Reading,
    status::MetricStatus,
};

mod resource;
mod series;

/// What a metric asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Its name in the controller's messages.
    pub metric: String,
    /// How it was computed.
    pub calculation: Calculation,
    /// Its entry in the status.
    pub status: MetricStatus,
}

/// Why a metric says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// The reason of the event and of the condition `ScalingActive`.
    pub reason: &'static str,
    /// The text of the event.
    pub cause: String,
    /// The text of the error that the controller returns.
    pub error: String,
    /// Whether the specification is to blame.
    pub in_spec: bool,
}

impl Failure {
    fn new(reason: &'static str, cause: String, error: String) -> Self {
        Self {
            reason,
            cause,
            error,
            in_spec: false,
        }
    }

    /// Of a metric without the block of its type.
    fn without_source(reason: &'static str) -> Self {
        Self::new(reason, NO_SOURCE.to_owned(), NO_SOURCE.to_owned())
    }
}

/// Evaluates metrics one by one.
pub(crate) struct Evaluator<'a> {
    pub(crate) calculator: Calculator<'a>,
    /// How many replicas the target's status counts.
    pub(crate) status_replicas: i32,
    pub(crate) namespace: &'a str,
}

const NO_SOURCE: &str = "must populate information for the given metric source";

impl Evaluator<'_> {
    pub(crate) fn evaluate(
        &self,
        spec: &MetricSpec,
        reading: Option<&Reading>,
    ) -> Result<Proposal, Failure> {
        match spec.r#type.as_str() {
            "Resource" => self.resource(spec, reading),
            "ContainerResource" => self.container_resource(spec, reading),
            "Pods" => self.pods(spec.pods.as_ref(), reading),
            "Object" => self.object(spec.object.as_ref(), reading),
            "External" => self.external(spec.external.as_ref(), reading),
            other => {
                let error = format!("unknown metric source type {other:?}");
                let failure = Failure::new("InvalidMetricSourceType", error.clone(), error);
                Err(Failure {
                    in_spec: true,
                    ..failure
                })
            }
        }
    }
}
