//! What the controller says when something is missing or wrong: conditions, events and errors, word for word.

use hpa::{
    Action, Condition, ConditionStatus, ConditionType, Controller, Decision, Event, EventType,
    HorizontalPodAutoscaler, Observation, Outcome, State, Target,
};

use crate::setting::{ago, now};

const AUTOSCALER: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: search, namespace: shop, generation: 3}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: search}
  minReplicas: 2
  maxReplicas: 6
  metrics: [METRIC]
status: {currentReplicas: 3, desiredReplicas: 3}";

pub(crate) const PODS: &str = "{type: Pods, pods: {metric: {name: in_flight}, target: {type: AverageValue, averageValue: 10}}}";

const SEEN: &str = "
target: {scale: {replicas: 3, statusReplicas: 3, selector: app=search}}
pods:
- {name: a, labels: {app: search, tier: front}, phase: Running, ready: {status: 'True'}, containers: [{name: main, requests: {cpu: 1}}]}
- {name: b, labels: {app: search, tier: front}, phase: Running, ready: {status: 'True'}, containers: [{name: main, requests: {cpu: 1}}]}
- {name: c, labels: {app: search, tier: front}, phase: Running, ready: {status: 'True'}, containers: [{name: main, requests: {cpu: 1}}]}
- {name: other, labels: {app: other}, phase: Running}
metrics:
- pods: [{pod: a, value: 20}, {pod: b, value: 10}, {pod: c, value: 30}, {pod: other, value: 1000}]";

pub(crate) fn autoscaler(metric: &str) -> HorizontalPodAutoscaler {
    hpa::read(&AUTOSCALER.replace("METRIC", metric)).expect("an autoscaler")
}

pub(crate) fn seen() -> Observation {
    hpa::read(SEEN).expect("an observation")
}

pub(crate) fn decide(autoscaler: &HorizontalPodAutoscaler, seen: &Observation) -> Outcome {
    let mut state = State::default();
    let decision = Controller::default().decide(autoscaler, &mut state, seen, now());
    decision.settle(&mut state, |_| Ok(()))
}

pub(crate) fn condition(outcome: &Outcome, r#type: ConditionType) -> (bool, &str, &str) {
    let it = outcome
        .status
        .condition(r#type)
        .expect("the condition is set");
    (it.status == ConditionStatus::True, &it.reason, &it.message)
}

pub(crate) fn warning(reason: &str, message: &str) -> Event {
    Event {
        r#type: EventType::Warning,
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

#[test]
fn a_decision_to_scale_says_so_everywhere() {
    let mut autoscaler = autoscaler(PODS);
    autoscaler.metadata.generation = 3;
    let mut seen = seen();
    // A sample of a pod that is not selected counts in the mean, as in Kubernetes, whose API is asked by the selector.
    seen.metrics = vec![
        hpa::read("pods: [{pod: a, value: 20}, {pod: b, value: 10}, {pod: c, value: 30}]").unwrap(),
    ];
    let outcome = decide(&autoscaler, &seen);
    assert_eq!(outcome.status.observed_generation, Some(3));
    assert_eq!(outcome.status.last_scale_time, Some(now()));
    assert_eq!(
        (
            outcome.status.current_replicas,
            outcome.status.desired_replicas
        ),
        (3, 6)
    );
    assert!(outcome.status_changed && outcome.error.is_none());
    assert_eq!(outcome.action, Action::ScaleUp);
    assert_eq!(
        condition(&outcome, ConditionType::AbleToScale),
        (
            true,
            "SucceededRescale",
            "the HPA controller was able to update the target scale to 6"
        )
    );
    let message =
        "the HPA was able to successfully calculate a replica count from pods metric in_flight";
    assert_eq!(
        condition(&outcome, ConditionType::ScalingActive),
        (true, "ValidMetricFound", message)
    );
    assert_eq!(
        outcome.events,
        [Event {
            r#type: EventType::Normal,
            reason: "SuccessfulRescale".to_owned(),
            message: "New size: 6; reason: pods metric in_flight above target".to_owned(),
        }]
    );
    let current = outcome.status.current_metrics[0].pods.as_ref().unwrap();
    assert_eq!(current.current.average_value, Some("20".parse().unwrap()));
}

#[test]
fn nothing_is_written_where_nothing_has_changed() {
    let mut autoscaler = autoscaler(PODS);
    let mut seen = seen();
    seen.metrics = vec![
        hpa::read("pods: [{pod: a, value: 10}, {pod: b, value: 10}, {pod: c, value: 10}]").unwrap(),
    ];
    let first = decide(&autoscaler, &seen);
    assert!(first.status_changed);
    autoscaler.status = first.status;
    assert!(!decide(&autoscaler, &seen).status_changed);
}

#[test]
fn a_condition_keeps_its_time_while_its_status_holds() {
    let mut autoscaler = autoscaler(PODS);
    autoscaler.status.conditions = vec![Condition {
        r#type: ConditionType::AbleToScale,
        status: ConditionStatus::True,
        last_transition_time: Some(ago(60)),
        reason: "ReadyForNewScale".to_owned(),
        message: String::new(),
        observed_generation: None,
    }];
    let time = |outcome: &Outcome, r#type| {
        outcome
            .status
            .condition(r#type)
            .unwrap()
            .last_transition_time
    };
    let outcome = decide(&autoscaler, &seen());
    assert_eq!(time(&outcome, ConditionType::AbleToScale), Some(ago(60)));
    assert_eq!(time(&outcome, ConditionType::ScalingActive), Some(now()));
}

#[test]
fn a_target_that_cannot_be_read_is_left_as_it_is() {
    let mut seen = seen();
    seen.target = Target::Failed("something went wrong".to_owned());
    let outcome = decide(&autoscaler(PODS), &seen);
    let message =
        "the HPA controller was unable to get the target's current scale: something went wrong";
    assert_eq!(
        condition(&outcome, ConditionType::AbleToScale),
        (false, "FailedGetScale", message)
    );
    assert_eq!(outcome.status.conditions.len(), 1);
    assert_eq!(
        outcome.events,
        [warning("FailedGetScale", "something went wrong")]
    );
    let error = outcome.error.unwrap();
    assert_eq!(
        error.message,
        "failed to query scale subresource for Deployment/shop/search: something went wrong"
    );
    assert!(!error.in_spec);
}

#[test]
fn a_version_of_the_target_that_is_none_is_the_specifications_fault() {
    let mut autoscaler = autoscaler(PODS);
    autoscaler.spec.scale_target_ref.api_version = "a/b/c".to_owned();
    let error = decide(&autoscaler, &seen()).error.unwrap();
    let message =
        "invalid API version in scale target reference: unexpected GroupVersion string: a/b/c";
    assert_eq!((error.message.as_str(), error.in_spec), (message, true));
}

#[test]
fn a_target_that_cannot_be_changed_keeps_its_replicas() {
    let mut state = State::default();
    let decision = Controller::default().decide(&autoscaler(PODS), &mut state, &seen(), now());
    let Decision::Rescale(rescale) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!((rescale.current_replicas(), rescale.replicas()), (3, 6));
    assert_eq!(rescale.reason(), "pods metric in_flight above target");
    let outcome = rescale.failed("something went wrong");
    let message = "the HPA controller was unable to update the target scale: something went wrong";
    assert_eq!(
        condition(&outcome, ConditionType::AbleToScale),
        (false, "FailedUpdateScale", message)
    );
    let message =
        "New size: 6; reason: pods metric in_flight above target; error: something went wrong";
    assert_eq!(outcome.events, [warning("FailedRescale", message)]);
    assert_eq!(outcome.status.desired_replicas, 3);
    assert_eq!(outcome.status.last_scale_time, None);
    let error = outcome.error.unwrap().message;
    assert_eq!(
        error,
        "failed to rescale Deployment/shop/search: something went wrong"
    );
}

#[test]
fn a_selector_that_is_missing_unreadable_or_shared_selects_nothing() {
    let with = |selector: &str, others: &str| {
        let mut seen = seen();
        let Target::Scale(scale) = &mut seen.target else {
            panic!("a scale")
        };
        selector.clone_into(&mut scale.selector);
        seen.others = hpa::read(others).unwrap();
        decide(&autoscaler(PODS), &seen)
    };
    let missing = with("", "[]");
    let message = "the HPA target's scale is missing a selector";
    assert_eq!(
        condition(&missing, ConditionType::ScalingActive),
        (false, "InvalidSelector", message)
    );
    assert_eq!(
        missing.events,
        [
            warning("SelectorRequired", "selector is required"),
            warning("FailedComputeMetricsReplicas", "selector is required"),
        ]
    );

    let unreadable = with("cheddar cheese", "[]");
    let message = "couldn't convert selector into a corresponding internal selector object: \
                   unable to parse requirement: found 'cheese', expected: in, notin, =, ==, !=, gt, lt";
    assert_eq!(
        condition(&unreadable, ConditionType::ScalingActive),
        (false, "InvalidSelector", message)
    );

    let shared = with("app=search", "[{name: second, selector: tier=front}]");
    let message = "pods by selector app=search are controlled by more than one HPA (e.g. [shop/search shop/second])";
    assert_eq!(
        condition(&shared, ConditionType::ScalingActive),
        (false, "AmbiguousSelector", message)
    );

    let apart = with("app=search", "[{name: second, selector: app=other}]");
    assert!(apart.error.is_none(), "{apart:?}");
}
