//! The decision: what the controller does with an autoscaler each time it looks at it.

use std::time::{Duration, SystemTime};

use crate::{
    explanation::Basis,
    limits::{GrowthLimit, Limited, Limits},
    object::{HorizontalPodAutoscaler, Spec},
    observation::{Observation, Scale, Target},
    outcome::{Error, Outcome, Progress, Rescale},
    recommendation::Recommendation,
    state::State,
    status::{ConditionType, Event},
};

/// What a cluster's controller is started with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controller {
    /// How near to its target a metric is near enough, as a share (`--horizontal-pod-autoscaler-tolerance`).
    pub tolerance: f64,
    /// For how long a recommendation holds against fewer replicas (`--horizontal-pod-autoscaler-downscale-stabilization`).
    pub downscale_stabilization: Duration,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`
    pub cpu_initialization_period: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`
    pub initial_readiness_delay: Duration,
    /// By how much replicas may grow at once where there is no `behavior`: a constant in Kubernetes.
    pub growth_limit: GrowthLimit,
    /// What happens at zero replicas.
    pub scale_to_zero: ScaleToZero,
    /// Whether the tolerances of a `behavior` count (the feature `HPAConfigurableTolerance`).
    pub own_tolerances: bool,
    /// Whether what pods request as a whole counts (the feature `PodLevelResources`).
    pub pod_level_resources: bool,
    /// Whether the status says which generation was decided on (the feature `HPAGeneration`).
    pub observed_generation: bool,
}

/// What happens to a target of zero replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleToZero {
    /// From Kubernetes 1.36 with the feature `HPAScaleToZero`, which is on from 1.37: it is scaled again if it was the autoscaler that
    /// took away the last replica, which the condition `ScaledToZero` remembers.
    #[default]
    Remembered,
    /// From Kubernetes 1.36 without that feature: it is left alone.
    Disabled,
    /// Up to Kubernetes 1.35: it is scaled again if `minReplicas` is 0.
    ByMinReplicas,
}

impl Default for Controller {
    /// The defaults of Kubernetes 1.37.
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            downscale_stabilization: Duration::from_mins(5),
            cpu_initialization_period: Duration::from_mins(5),
            initial_readiness_delay: Duration::from_secs(30),
            growth_limit: GrowthLimit::default(),
            scale_to_zero: ScaleToZero::default(),
            own_tolerances: true,
            pod_level_resources: true,
            observed_generation: true,
        }
    }
}

/// Whether the target must be changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// No: this is the outcome.
    Settled(Box<Outcome>),
    /// Yes: whether that succeeds decides the outcome.
    Rescale(Box<Rescale>),
}

impl Decision {
    /// The outcome, after `update` has set the target's replicas where they must change.
    pub fn settle(
        self,
        state: &mut State,
        update: impl FnOnce(i32) -> Result<(), String>,
    ) -> Outcome {
        match self {
            Self::Settled(outcome) => *outcome,
            Self::Rescale(rescale) => match update(rescale.replicas()) {
                Ok(()) => rescale.succeeded(state),
                Err(error) => rescale.failed(&error),
            },
        }
    }
}

impl Controller {
    /// Decides once. It depends on its arguments alone; `state` is what it remembers until the next time.
    ///
    /// The specification is taken with its defaults ([`HorizontalPodAutoscaler::with_defaults`]), and the status is what was decided the
    /// last time.
    pub fn decide(
        &self,
        autoscaler: &HorizontalPodAutoscaler,
        state: &mut State,
        seen: &Observation,
        now: SystemTime,
    ) -> Decision {
        let mut progress = Progress::new(autoscaler, self, now);
        let scale = match scale(autoscaler, seen) {
            Ok(scale) => scale,
            Err((cause, error)) => {
                let message = format!(
                    "the HPA controller was unable to get the target's current scale: {cause}"
                );
                progress
                    .events
                    .push(Event::warning("FailedGetScale", cause));
                progress.set(ConditionType::AbleToScale, false, "FailedGetScale", message);
                return progress.abandoned(error, Basis::NoScale);
            }
        };
        progress.set(
            ConditionType::AbleToScale,
            true,
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
        );
        let (current, spec) = (scale.replicas, &autoscaler.spec);
        let (min, max) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
        state.begin(current, now);
        progress.replicas = current;
        let was_scaled_to_zero = progress.was_scaled_to_zero();
        if current == 0 && !self.scales_from_zero(spec, was_scaled_to_zero) {
            progress.set(
                ConditionType::ScalingActive,
                false,
                "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero",
            );
            if self.scale_to_zero == ScaleToZero::Disabled {
                progress.status.remove(ConditionType::ScaledToZero);
            }
            return progress.unchanged(Basis::Disabled);
        }
        if current != 0 && current > max {
            let reason = "Current number of replicas above Spec.MaxReplicas";
            return progress.rescale(max, reason.to_owned(), Basis::AboveMax);
        }
        if current != 0 && current < min {
            let reason = "Current number of replicas below Spec.MinReplicas";
            return progress.rescale(min, reason.to_owned(), Basis::BelowMin);
        }
        match self.recommend(autoscaler, seen, scale, &mut progress) {
            Ok(recommendation) => {
                let raised = was_scaled_to_zero && self.scale_to_zero == ScaleToZero::Remembered;
                self.limit(&autoscaler.spec, state, progress, recommendation, raised)
            }
            Err((error, basis)) => {
                let event = Event::warning("FailedComputeMetricsReplicas", error.message.clone());
                progress.events.push(event);
                let error = Error {
                    message: format!(
                        "failed to compute desired number of replicas based on listed metrics for {}: {error}",
                        progress.reference()
                    ),
                    ..error
                };
                progress.abandoned(error, basis)
            }
        }
    }

    fn scales_from_zero(&self, spec: &Spec, was_scaled_to_zero: bool) -> bool {
        let min = spec.min_replicas.unwrap_or(1);
        match self.scale_to_zero {
            ScaleToZero::Disabled => false,
            ScaleToZero::ByMinReplicas => min == 0,
            ScaleToZero::Remembered => {
                was_scaled_to_zero && (min != 0 || spec.has_metric_without_pods())
            }
        }
    }

    /// From what is recommended to what is done.
    fn limit(
        &self,
        spec: &Spec,
        state: &mut State,
        mut progress: Progress,
        recommendation: Recommendation,
        raised_from_zero: bool,
    ) -> Decision {
        progress.failure = recommendation.failure;
        progress.status.current_metrics = recommendation.statuses;
        let current = progress.replicas;
        let min = spec.min_replicas.unwrap_or(1);
        let desired = recommendation.replicas.max(0);
        let metric = if recommendation.replicas > 0 {
            recommendation.metric
        } else {
            String::new()
        };
        let mut reason = match () {
            () if desired > current => format!("{metric} above target"),
            () if desired < current => "All metrics below target".to_owned(),
            () => String::new(),
        };
        let limits = Limits {
            min,
            max: spec.max_replicas,
            current,
        };
        let (stabilized, limited) = self.normalize(spec, state, desired, limits, progress.now);
        progress.set(
            ConditionType::AbleToScale,
            true,
            stabilized.reason,
            stabilized.message,
        );
        let is_limited = limited.replicas != stabilized.replicas;
        progress.set(
            ConditionType::ScalingLimited,
            is_limited,
            limited.reason,
            limited.message,
        );
        let mut replicas = limited.replicas;
        if current == 0 && min != 0 && raised_from_zero && replicas < min {
            replicas = min;
            if reason.is_empty() {
                "Current number of replicas below Spec.MinReplicas".clone_into(&mut reason);
            }
        }
        let basis = Basis::Metrics {
            desired,
            stabilized,
            limited,
        };
        if replicas == current {
            progress.unchanged(basis)
        } else {
            progress.rescale(replicas, reason, basis)
        }
    }

    fn normalize(
        &self,
        spec: &Spec,
        state: &mut State,
        desired: i32,
        limits: Limits,
        now: SystemTime,
    ) -> (Limited, Limited) {
        let window = self.downscale_stabilization;
        match &spec.behavior {
            None => {
                let stabilized = state.stabilize(desired, window, now);
                (
                    stabilized,
                    self.growth_limit.limit(stabilized.replicas, limits),
                )
            }
            Some(behavior) => {
                let stabilized = state.stabilize_by(behavior, limits.current, desired, window, now);
                let limited = state.limit_rate(behavior, stabilized.replicas, limits, now);
                (stabilized, limited)
            }
        }
    }
}

/// The target's scale, or why there is none: the cause, and the error that is returned.
fn scale<'a>(
    autoscaler: &HorizontalPodAutoscaler,
    seen: &'a Observation,
) -> Result<&'a Scale, (String, Error)> {
    let version = &autoscaler.spec.scale_target_ref.api_version;
    if version.matches('/').count() > 1 {
        let cause = format!("unexpected GroupVersion string: {version}");
        let message = format!("invalid API version in scale target reference: {cause}");
        return Err((cause, Error::in_spec(message)));
    }
    match &seen.target {
        Target::Scale(scale) => Ok(scale),
        Target::Failed(cause) => {
            let reference = autoscaler.reference();
            let message = format!("failed to query scale subresource for {reference}: {cause}");
            Err((cause.clone(), Error::internal(message)))
        }
    }
}
