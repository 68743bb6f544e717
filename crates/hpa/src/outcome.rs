//! What comes of a decision: the new status, events, an error, and a sentence that explains it.

use std::{fmt, time::SystemTime};

use crate::{
    behavior::Behavior,
    controller::{Controller, Decision, ScaleToZero},
    explanation::{Basis, Explanation},
    metric::{Failure, Proposal},
    object::{HorizontalPodAutoscaler, Spec},
    state::State,
    status::{ConditionStatus, ConditionType, Event, EventType, Status},
};

/// What the controller did.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The new status of the object.
    pub status: Status,
    /// Whether it differs from the old one; if not, it is not written.
    pub status_changed: bool,
    /// The events, in their order.
    pub events: Vec<Event>,
    /// What the controller's worker would log. Replicas may have been changed nevertheless, where some metrics suffice.
    pub error: Option<Error>,
    /// Whether replicas were added or taken away.
    pub action: Action,
    /// What each metric of the specification asked for, or why it said nothing; empty where none was asked.
    pub evaluations: Vec<Evaluation>,
    /// All of it in one sentence.
    pub explanation: String,
}

/// What one metric asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// What it asked for, or why it said nothing.
    pub result: Result<Proposal, Failure>,
    /// Whether that is more or fewer replicas than the last status says there are.
    pub action: Action,
}

/// In which direction replicas are changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Added.
    ScaleUp,
    /// Taken away.
    ScaleDown,
    /// Left as they are.
    #[default]
    None,
}

impl Action {
    fn of(from: i32, to: i32) -> Self {
        match to.cmp(&from) {
            std::cmp::Ordering::Greater => Self::ScaleUp,
            std::cmp::Ordering::Less => Self::ScaleDown,
            std::cmp::Ordering::Equal => Self::None,
        }
    }
}

/// Why a decision could not be made or carried out as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What happened.
    pub message: String,
    /// Whether the specification is to blame.
    pub in_spec: bool,
}

impl Error {
    pub(crate) fn internal(message: String) -> Self {
        Self {
            message,
            in_spec: false,
        }
    }

    pub(crate) fn in_spec(message: String) -> Self {
        Self {
            message,
            in_spec: true,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A decision that is being made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Progress {
    pub(crate) status: Status,
    pub(crate) events: Vec<Event>,
    /// How many replicas the target has; what the last status said until that is known.
    pub(crate) replicas: i32,
    pub(crate) failure: Option<Error>,
    pub(crate) now: SystemTime,
    before: Status,
    evaluations: Vec<Evaluation>,
    reference: String,
    spec: Spec,
    generation: Option<i64>,
    scale_to_zero: ScaleToZero,
}

impl Progress {
    pub(crate) fn new(
        autoscaler: &HorizontalPodAutoscaler,
        controller: &Controller,
        now: SystemTime,
    ) -> Self {
        Self {
            status: Status {
                observed_generation: autoscaler.status.observed_generation,
                ..autoscaler.status.clone()
            },
            events: Vec::new(),
            replicas: autoscaler.status.current_replicas,
            failure: None,
            now,
            before: autoscaler.status.clone(),
            evaluations: Vec::new(),
            reference: autoscaler.reference(),
            spec: autoscaler.spec.clone(),
            generation: controller
                .observed_generation
                .then_some(autoscaler.metadata.generation),
            scale_to_zero: controller.scale_to_zero,
        }
    }

    pub(crate) fn set(
        &mut self,
        r#type: ConditionType,
        holds: bool,
        reason: &str,
        message: impl Into<String>,
    ) {
        self.status.set(r#type, holds, reason, message, self.now);
    }

    pub(crate) fn reference(&self) -> &str {
        &self.reference
    }

    /// Whether the autoscaler itself took away the last replica.
    pub(crate) fn was_scaled_to_zero(&self) -> bool {
        let condition = self.before.condition(ConditionType::ScaledToZero);
        condition.is_some_and(|it| it.status == ConditionStatus::True)
    }

    /// Keeps what each metric asked for.
    pub(crate) fn note(&mut self, results: Vec<Result<Proposal, Failure>>, replicas_before: i32) {
        let evaluation = |result: Result<Proposal, Failure>| Evaluation {
            action: match &result {
                Ok(proposal) => Action::of(replicas_before, proposal.calculation.replicas),
                Err(_) => Action::None,
            },
            result,
        };
        self.evaluations = results.into_iter().map(evaluation).collect();
    }

    /// No decision could be made.
    pub(crate) fn abandoned(mut self, error: Error, basis: Basis) -> Decision {
        if basis != Basis::NoScale {
            // A target that could not be read leaves what was known of it.
            self.observe(self.before.desired_replicas);
            if basis == Basis::NoSelector {
                self.status.current_metrics.clear();
            }
        }
        Decision::Settled(Box::new(self.finish(Some(error), Action::None, &basis)))
    }

    /// Replicas stay as they are.
    pub(crate) fn unchanged(mut self, basis: Basis) -> Decision {
        if !matches!(basis, Basis::Metrics { .. }) {
            self.status.current_metrics.clear();
        }
        self.observe(self.replicas);
        let failure = self.failure.take();
        Decision::Settled(Box::new(self.finish(failure, Action::None, &basis)))
    }

    /// Replicas must be changed.
    pub(crate) fn rescale(mut self, replicas: i32, reason: String, basis: Basis) -> Decision {
        if !matches!(basis, Basis::Metrics { .. }) {
            self.status.current_metrics.clear();
        }
        Decision::Rescale(Box::new(Rescale {
            progress: self,
            replicas,
            reason,
            basis,
        }))
    }

    fn observe(&mut self, desired: i32) {
        self.status.current_replicas = self.replicas;
        self.status.desired_replicas = desired;
        self.status.observed_generation = self.generation;
    }

    fn finish(self, error: Option<Error>, action: Action, basis: &Basis) -> Outcome {
        let explanation = Explanation {
            reference: &self.reference,
            spec: &self.spec,
            from: self.replicas,
            to: self.status.desired_replicas,
            action,
            basis,
            evaluations: &self.evaluations,
            error: error.as_ref(),
        };
        Outcome {
            explanation: explanation.to_string(),
            status_changed: self.status != self.before,
            status: self.status,
            events: self.events,
            error,
            action,
            evaluations: self.evaluations,
        }
    }
}

/// A change of the target that is still to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescale {
    progress: Progress,
    replicas: i32,
    reason: String,
    basis: Basis,
}

impl Rescale {
    /// How many replicas the target must be given.
    pub fn replicas(&self) -> i32 {
        self.replicas
    }

    /// How many it has.
    pub fn current_replicas(&self) -> i32 {
        self.progress.replicas
    }

    /// Why, in the controller's words.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The target was changed: what comes of it. The change is remembered for the policies.
    pub fn succeeded(self, state: &mut State) -> Outcome {
        let Self {
            mut progress,
            replicas,
            reason,
            basis,
        } = self;
        let (before, now) = (progress.replicas, progress.now);
        let message =
            format!("the HPA controller was able to update the target scale to {replicas}");
        progress.set(
            ConditionType::AbleToScale,
            true,
            "SucceededRescale",
            message,
        );
        progress.events.push(Event {
            r#type: EventType::Normal,
            reason: "SuccessfulRescale".to_owned(),
            message: format!("New size: {replicas}; reason: {reason}"),
        });
        let behavior: Option<&Behavior> = progress.spec.behavior.as_ref();
        state.record_change(behavior, before, replicas, now);
        progress.remember_zero(replicas);
        progress.observe(replicas);
        progress.status.last_scale_time = Some(now);
        let action = if replicas > before {
            Action::ScaleUp
        } else {
            Action::ScaleDown
        };
        let failure = progress.failure.take();
        progress.finish(failure, action, &basis)
    }

    /// The target could not be changed, for this reason: what comes of it.
    pub fn failed(self, cause: &str) -> Outcome {
        let Self {
            mut progress,
            replicas,
            reason,
            basis,
        } = self;
        let message = format!("New size: {replicas}; reason: {reason}; error: {cause}");
        progress
            .events
            .push(Event::warning("FailedRescale", message));
        let message = format!("the HPA controller was unable to update the target scale: {cause}");
        progress.set(
            ConditionType::AbleToScale,
            false,
            "FailedUpdateScale",
            message,
        );
        progress.observe(progress.before.desired_replicas);
        let error = Error::internal(format!("failed to rescale {}: {cause}", progress.reference));
        progress.finish(Some(error), Action::None, &basis)
    }
}

impl Progress {
    /// Whether it was the autoscaler that took away the last replica.
    fn remember_zero(&mut self, replicas: i32) {
        let to_zero = self.replicas > 0
            && replicas == 0
            && self.spec.min_replicas == Some(0)
            && self.spec.has_metric_without_pods();
        match self.scale_to_zero {
            ScaleToZero::Remembered if to_zero => {
                let message = "the HPA controller scaled the workload to zero";
                self.set(ConditionType::ScaledToZero, true, "ScaledToZero", message);
            }
            ScaleToZero::Remembered => {
                let message = "the HPA controller did not scale the workload to zero";
                self.set(
                    ConditionType::ScaledToZero,
                    false,
                    "NotScaledToZero",
                    message,
                );
            }
            ScaleToZero::Disabled => self.status.remove(ConditionType::ScaledToZero),
            ScaleToZero::ByMinReplicas => {}
        }
    }
}
