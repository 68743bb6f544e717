//! The examples of Kubernetes' documentation (Horizontal Pod Autoscaling, and its walkthrough), each as what it says will happen.

use std::time::{Duration, SystemTime};

use hpa::{
    Behavior, Calculator, Controller, HorizontalPodAutoscaler, Limits, Observation, ScaleEvent,
    State, Tolerances,
};

use crate::setting::{ago, now};

fn ratio_of(value: i64, target: i64) -> i32 {
    // One ready pod: the answer is the ratio itself, rounded up.
    let pod = hpa::read("{name: a, phase: Running, ready: {status: 'True'}}").expect("a pod");
    let calculator = Calculator {
        pods: &[&pod],
        current: 1,
        tolerances: Tolerances::both(0.1),
        cpu_initialization_period: Duration::ZERO,
        initial_readiness_delay: Duration::ZERO,
        pod_level_resources: true,
        now: now(),
    };
    calculator
        .value(target, value)
        .expect("there is a pod")
        .replicas
}

#[test]
fn twice_the_wanted_value_doubles_the_replicas_and_a_tenth_more_changes_nothing() {
    assert_eq!(ratio_of(200, 100), 2, "200m against 100m doubles");
    assert_eq!(ratio_of(110, 100), 1, "within the tolerance of 0.1");
    assert_eq!(ratio_of(111, 100), 2);
}

#[test]
fn half_of_the_wanted_value_halves_the_replicas() {
    let pods: Vec<_> = (0..4)
        .map(|at| {
            hpa::read(&format!(
                "{{name: p{at}, phase: Running, ready: {{status: 'True'}}}}"
            ))
            .unwrap()
        })
        .collect();
    let calculator = Calculator {
        pods: &pods.iter().collect::<Vec<_>>(),
        current: 4,
        tolerances: Tolerances::both(0.1),
        cpu_initialization_period: Duration::ZERO,
        initial_readiness_delay: Duration::ZERO,
        pod_level_resources: true,
        now: now(),
    };
    assert_eq!(calculator.value(100, 50).unwrap().replicas, 2);
}

/// What a behavior allows of a step to `desired`, after the given events.
fn step(behavior: &Behavior, state: &State, current: i32, desired: i32, now: SystemTime) -> i32 {
    let limits = Limits {
        min: 1,
        max: 1000,
        current,
    };
    state
        .limit_rate(&behavior.with_defaults(), desired, limits, now)
        .replicas
}

/// The replicas after each step towards `desired`, each `every` seconds after the one before.
fn steps(behavior: &str, from: i32, desired: i32, every: u64, count: usize) -> Vec<i32> {
    let behavior: Behavior = hpa::read::<Behavior>(behavior)
        .expect("a behavior")
        .with_defaults();
    let (mut state, mut current, mut at) = (State::default(), from, now());
    let mut path = Vec::new();
    for _ in 0..count {
        let next = step(&behavior, &state, current, desired, at);
        if next != current {
            state.record_change(Some(&behavior), current, next, at);
        }
        path.push(next);
        current = next;
        at += Duration::from_secs(every);
    }
    path
}

#[test]
fn four_pods_or_ten_percent_a_minute_take_eighty_down_by_eight_first() {
    let behavior = "{scaleDown: {policies: [
        {type: Pods, value: 4, periodSeconds: 60}, {type: Percent, value: 10, periodSeconds: 60}]}}";
    // 10 % of 80 is 8, of 72 is 7.2, rounded up to 8; below 40, four pods are more than 10 %.
    assert_eq!(steps(behavior, 80, 10, 61, 4), [72, 64, 57, 51]);
    let last = steps(behavior, 40, 10, 61, 8);
    assert_eq!(last, [36, 32, 28, 24, 20, 16, 12, 10]);
    // With selectPolicy Min the smaller of both counts.
    let least = behavior.replace("policies", "selectPolicy: Min, policies");
    assert_eq!(steps(&least, 80, 10, 61, 3), [76, 72, 68]);
}

#[test]
fn the_default_behavior_doubles_or_adds_four_every_fifteen_seconds() {
    assert_eq!(steps("{}", 1, 1000, 16, 5), [5, 10, 20, 40, 80]);
}

#[test]
fn a_behavior_can_scale_down_by_ten_percent_or_five_pods_a_minute() {
    let limit = "{scaleDown: {policies: [{type: Percent, value: 10, periodSeconds: 60}]}}";
    assert_eq!(steps(limit, 100, 1, 61, 2), [90, 81]);
    let both = "{scaleDown: {selectPolicy: Max, policies: [
        {type: Percent, value: 10, periodSeconds: 60}, {type: Pods, value: 5, periodSeconds: 60}]}}";
    assert_eq!(steps(both, 20, 1, 61, 3), [15, 10, 5]);
}

#[test]
fn disabled_downscaling_keeps_every_replica() {
    let behavior = "{scaleDown: {selectPolicy: Disabled}}";
    assert_eq!(steps(behavior, 80, 10, 61, 2), [80, 80]);
}

#[test]
fn what_was_taken_away_within_the_period_counts() {
    let behavior: Behavior =
        hpa::read("{scaleDown: {policies: [{type: Pods, value: 4, periodSeconds: 60}]}}").unwrap();
    let state = State {
        scale_down_events: vec![ScaleEvent {
            change: 3,
            timestamp: ago(30),
            outdated: false,
        }],
        ..State::default()
    };
    assert_eq!(
        step(&behavior, &state, 20, 1, now()),
        19,
        "three of four are used up"
    );
}

/// The walkthrough's php-apache: 50 % of CPU, 1 to 10 replicas, one pod at 250 %.
#[test]
fn the_walkthrough_scales_php_apache_out() {
    let autoscaler = HorizontalPodAutoscaler::from_yaml(
        "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: php-apache
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: php-apache
  minReplicas: 1
  maxReplicas: 10
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: 50",
    )
    .unwrap();
    let seen: Observation = hpa::read(
        "target: {scale: {replicas: 1, statusReplicas: 1, selector: run=php-apache}}
pods:
- name: php-apache-1
  labels: {run: php-apache}
  phase: Running
  startTime: 2027-01-15T07:00:00Z
  ready: {status: 'True', lastTransitionTime: 2027-01-15T07:00:05Z}
  containers: [{name: php-apache, requests: {cpu: 200m}}]
metrics:
- resource:
  - {pod: php-apache-1, timestamp: 2027-01-15T07:59:45Z, windowSeconds: 15, containers: [{name: php-apache, usage: {cpu: 500m}}]}",
    )
    .unwrap();
    let mut state = State::default();
    let decision = Controller::default().decide(&autoscaler, &mut state, &seen, now());
    let outcome = decision.settle(&mut state, |_| Ok(()));
    // ceil(250 / 50 * 1) would be 5, and without a behavior one pod may become four at once.
    assert_eq!(outcome.status.desired_replicas, 4);
    let current = &outcome.status.current_metrics[0]
        .resource
        .as_ref()
        .unwrap()
        .current;
    assert_eq!(current.average_utilization, Some(250));
    assert_eq!(
        outcome.explanation,
        "takes Deployment/default/php-apache from 1 to 4 replicas: cpu resource utilization (percentage of request) is at 5.00 of its \
         target and asks for 5, the rate of change allows 4"
    );
}

/// The manifest with three metrics: CPU, a metric of the pods, and one of an Ingress; the one that asks for most decides.
#[test]
fn of_several_metrics_the_greatest_decides() {
    let autoscaler = HorizontalPodAutoscaler::from_yaml(
        "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: php-apache}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: php-apache}
  minReplicas: 1
  maxReplicas: 10
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}
  - type: Pods
    pods: {metric: {name: packets-per-second}, target: {type: AverageValue, averageValue: 1k}}
  - type: Object
    object:
      metric: {name: requests-per-second}
      describedObject: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: main-route}
      target: {type: Value, value: 10k}",
    )
    .unwrap();
    let pod = |name: &str| {
        format!(
            "- {{name: {name}, labels: {{run: php}}, phase: Running, startTime: 2027-01-15T07:00:00Z, \
             ready: {{status: 'True'}}, containers: [{{name: c, requests: {{cpu: 200m}}}}]}}\n"
        )
    };
    let usage = |name: &str| {
        format!(
            "  - {{pod: {name}, timestamp: 2027-01-15T07:59:45Z, windowSeconds: 15, containers: [{{name: c, usage: {{cpu: 90m}}}}]}}\n"
        )
    };
    let text = format!(
        "target: {{scale: {{replicas: 2, statusReplicas: 2, selector: run=php}}}}\npods:\n{}{}metrics:\n- resource:\n{}{}\
         - pods: [{{pod: a, value: 1200}}, {{pod: b, value: 1100}}]\n- object: 18k\n",
        pod("a"),
        pod("b"),
        usage("a"),
        usage("b")
    );
    let seen: Observation = hpa::read(&text).unwrap();
    let mut state = State::default();
    let outcome = Controller::default()
        .decide(&autoscaler, &mut state, &seen, now())
        .settle(&mut state, |_| Ok(()));
    let asked: Vec<i32> = outcome
        .evaluations
        .iter()
        .map(|it| it.result.as_ref().unwrap().calculation.replicas)
        .collect();
    assert_eq!(asked, [2, 3, 4], "{outcome:#?}");
    assert_eq!(outcome.status.desired_replicas, 4);
    assert_eq!(
        outcome.events[0].message,
        "New size: 4; reason: Ingress metric requests-per-second above target"
    );
}
