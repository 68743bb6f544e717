//! What the metrics together ask for.

use std::time::SystemTime;

use crate::{
    calculator::{Calculator, Tolerances},
    controller::Controller,
    explanation::Basis,
    metric::{Evaluator, Failure, Proposal},
    object::{HorizontalPodAutoscaler, Spec},
    observation::{Observation, Scale},
    outcome::{Error, Progress},
    pod::Pod,
    selection,
    status::{ConditionType, Event, MetricStatus},
};

/// How many replicas the metrics ask for.
pub(crate) struct Recommendation {
    pub(crate) replicas: i32,
    pub(crate) metric: String,
    pub(crate) statuses: Vec<MetricStatus>,
    /// Some metrics say nothing, but the others suffice.
    pub(crate) failure: Option<Error>,
}

impl Controller {
    /// What the metrics ask for: the one that asks for most decides. One that says nothing holds back only fewer replicas.
    pub(crate) fn recommend(
        &self,
        autoscaler: &HorizontalPodAutoscaler,
        seen: &Observation,
        scale: &Scale,
        progress: &mut Progress,
    ) -> Result<Recommendation, (Error, Basis)> {
        let pods = selection::pods(autoscaler, scale, seen).map_err(|refusal| {
            let event = Event::warning(refusal.event, refusal.error.clone());
            progress.events.push(event);
            let active = ConditionType::ScalingActive;
            progress.set(active, false, refusal.reason, refusal.message);
            (Error::internal(refusal.error), Basis::NoSelector)
        })?;
        let evaluator = self.evaluator(autoscaler, scale, &pods, progress.now);
        let specs = autoscaler.spec.metrics.iter().enumerate();
        let results: Vec<Result<Proposal, Failure>> = specs
            .map(|(at, spec)| evaluator.evaluate(spec, seen.metrics.get(at)))
            .collect();
        let failures = results.iter().filter_map(|it| it.as_ref().err());
        progress
            .events
            .extend(failures.map(|it| Event::warning(it.reason, it.cause.clone())));
        let combined = combine(&results, scale.replicas, progress);
        progress.note(results, autoscaler.status.current_replicas);
        combined
    }

    fn evaluator<'a>(
        &self,
        autoscaler: &'a HorizontalPodAutoscaler,
        scale: &Scale,
        pods: &'a [&'a Pod],
        now: SystemTime,
    ) -> Evaluator<'a> {
        Evaluator {
            calculator: Calculator {
                pods,
                current: scale.replicas,
                tolerances: self.tolerances(&autoscaler.spec),
                cpu_initialization_period: self.cpu_initialization_period,
                initial_readiness_delay: self.initial_readiness_delay,
                pod_level_resources: self.pod_level_resources,
                now,
            },
            status_replicas: scale.status_replicas,
            namespace: &autoscaler.metadata.namespace,
        }
    }

    /// The tolerances that hold for a specification.
    pub fn tolerances(&self, spec: &Spec) -> Tolerances {
        let behavior = spec.behavior.as_ref().filter(|_| self.own_tolerances);
        let up = behavior.and_then(|it| it.scale_up.as_ref()?.tolerance);
        let down = behavior.and_then(|it| it.scale_down.as_ref()?.tolerance);
        Tolerances {
            scale_down: down.map_or(self.tolerance, |it| it.to_f64()),
            scale_up: up.map_or(self.tolerance, |it| it.to_f64()),
        }
    }
}

/// The greatest of what was asked for, if that can be relied on: if some metrics failed, what they ask for may be more.
fn combine(
    results: &[Result<Proposal, Failure>],
    current: i32,
    progress: &mut Progress,
) -> Result<Recommendation, (Error, Basis)> {
    let (mut replicas, mut metric) = (0, "");
    for it in results.iter().flatten() {
        if replicas == 0 || it.calculation.replicas > replicas {
            (replicas, metric) = (it.calculation.replicas, &it.metric);
        }
    }
    let status = |it: &Result<Proposal, Failure>| {
        let status = it.as_ref().map(|it| it.status.clone());
        status.unwrap_or_default()
    };
    let statuses = results.iter().map(status).collect();
    let failures: Vec<&Failure> = results.iter().filter_map(|it| it.as_ref().err()).collect();
    let failure = failures.first().map(|first| {
        let (invalid, all) = (failures.len(), results.len());
        let message =
            format!("invalid metrics ({invalid} invalid out of {all}), first error is: {first}");
        Error {
            message,
            in_spec: first.in_spec,
        }
    });
    let all_failed = failures.len() >= results.len();
    if all_failed || (failure.is_some() && replicas < current) {
        if let Some(first) = failures.first() {
            let cause = &first.cause;
            let message = format!("the HPA was unable to compute the replica count: {cause}");
            progress.set(ConditionType::ScalingActive, false, first.reason, message);
        }
        progress.status.current_metrics = statuses;
        let error = failure.unwrap_or_else(|| Error::in_spec("no metrics".to_owned()));
        return Err((error, Basis::NoMetric));
    }
    let message =
        format!("the HPA was able to successfully calculate a replica count from {metric}");
    progress.set(
        ConditionType::ScalingActive,
        true,
        "ValidMetricFound",
        message,
    );
    Ok(Recommendation {
        replicas,
        metric: metric.to_owned(),
        statuses,
        failure,
    })
}
