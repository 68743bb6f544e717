//! Whole decisions.

use std::time::Duration;

use hpa::{
    Action, Behavior, Condition, ConditionStatus, ConditionType, Container, ContainerUsage,
    Controller, HorizontalPodAutoscaler, MetricSpec, MetricTarget, Observation, Outcome, Phase,
    Pod, PodUsage, PodValue, Quantity, Readiness, Reading, Recommendation, ResourceMetric, Scale,
    ScaleToZero, ScalingRules, State, Target,
};
use serde::Deserialize;

use crate::setting::{ago, controller, now, rows, start};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Case {
    min: i32,
    max: i32,
    replicas: i32,
    status_replicas: Option<i32>,
    cpu_target: Option<i32>,
    #[serde(default)]
    metrics: Vec<MetricSpec>,
    scale_up: Option<ScalingRules>,
    scale_down: Option<ScalingRules>,
    #[serde(default)]
    levels: Vec<i64>,
    requests: Option<Vec<Quantity>>,
    #[serde(default)]
    ready: Vec<bool>,
    #[serde(default)]
    age: Vec<u64>,
    #[serde(default)]
    phase: Vec<Phase>,
    #[serde(default)]
    deleted: Vec<bool>,
    recommendations: Option<Vec<(i32, u64)>>,
    #[serde(default)]
    conditions: Vec<(ConditionType, ConditionStatus, String)>,
    #[serde(default = "on")]
    scale_to_zero: bool,
    #[serde(default = "on")]
    own_tolerances: bool,
    #[serde(default)]
    failing: Vec<String>,
    expect: Expected,
}

fn on() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expected {
    replicas: i32,
    conditions: Option<Vec<(ConditionType, ConditionStatus, String)>>,
    action: Option<Direction>,
    error: Option<Blame>,
    cpu: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Direction {
    Up,
    Down,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Blame {
    None,
    Spec,
    Internal,
}

#[test]
fn every_case_of_the_horizontal_controller_is_decided_alike() {
    let cases: Vec<Case> = rows(include_str!("cases/controller.yaml"));
    assert_eq!(cases.len(), 86);
    for case in &cases {
        let mut state = state(case);
        let mut written = None;
        let outcome = deciding(case)
            .decide(&autoscaler(case), &mut state, &seen(case), now())
            .settle(&mut state, |replicas| {
                written = Some(replicas);
                Ok(())
            });
        check(case, &outcome, written);
    }
}

fn check(case: &Case, outcome: &Outcome, written: Option<i32>) {
    let expected = &case.expect;
    let told = || format!("{case:#?}\n{outcome:#?}");
    let changed = (expected.replicas != case.replicas).then_some(expected.replicas);
    assert_eq!(written, changed, "{}", told());
    assert_eq!(
        outcome.status.desired_replicas,
        expected.replicas,
        "{}",
        told()
    );
    let scaled = outcome
        .events
        .iter()
        .any(|it| it.reason == "SuccessfulRescale");
    assert_eq!(scaled, changed.is_some(), "{}", told());
    if let Some(conditions) = &expected.conditions {
        let actual = outcome.status.conditions.iter();
        let actual: Vec<_> = actual
            .map(|it| (it.r#type, it.status, it.reason.clone()))
            .collect();
        assert_eq!(&actual, conditions, "{}", told());
    }
    if let Some(direction) = expected.action {
        let actual = match outcome.action {
            Action::ScaleUp => Direction::Up,
            Action::ScaleDown => Direction::Down,
            Action::None => Direction::None,
        };
        assert_eq!(actual, direction, "{}", told());
    }
    if let Some(blame) = expected.error {
        let actual = match &outcome.error {
            None => Blame::None,
            Some(error) if error.in_spec => Blame::Spec,
            Some(_) => Blame::Internal,
        };
        assert_eq!(actual, blame, "{}", told());
    }
    if let Some(percent) = expected.cpu {
        let cpu = outcome
            .status
            .current_metrics
            .iter()
            .find_map(|it| it.resource.as_ref());
        assert_eq!(
            cpu.and_then(|it| it.current.average_utilization),
            Some(percent),
            "{}",
            told()
        );
    }
}

fn deciding(case: &Case) -> Controller {
    Controller {
        scale_to_zero: if case.scale_to_zero {
            ScaleToZero::Remembered
        } else {
            ScaleToZero::Disabled
        },
        own_tolerances: case.own_tolerances,
        ..controller()
    }
}

fn state(case: &Case) -> State {
    let recommendation = |(replicas, seconds): &(i32, u64)| Recommendation {
        replicas: *replicas,
        timestamp: ago(*seconds),
    };
    let recommendations = case.recommendations.as_ref();
    State {
        recommendations: recommendations.map(|it| it.iter().map(recommendation).collect()),
        ..State::default()
    }
}

fn autoscaler(case: &Case) -> HorizontalPodAutoscaler {
    let mut autoscaler: HorizontalPodAutoscaler = hpa::read(
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: hpa, namespace: ns},
          spec: {scaleTargetRef: {apiVersion: v1, kind: ReplicationController, name: rc}, maxReplicas: 1}}",
    )
    .expect("an autoscaler");
    let spec = &mut autoscaler.spec;
    (spec.min_replicas, spec.max_replicas) = (Some(case.min), case.max);
    if let Some(percent) = case.cpu_target {
        spec.metrics.push(cpu(Some(percent)));
    }
    spec.metrics.extend(case.metrics.iter().cloned());
    if spec.metrics.is_empty() {
        // Kubernetes' tests then use a metric without a target.
        spec.metrics.push(cpu(None));
    }
    if case.scale_up.is_some() || case.scale_down.is_some() {
        let behavior = Behavior {
            scale_up: case.scale_up.clone(),
            scale_down: case.scale_down.clone(),
        };
        spec.behavior = Some(behavior.with_defaults());
    }
    let status = &mut autoscaler.status;
    (status.current_replicas, status.desired_replicas) = (case.replicas, case.replicas);
    let condition =
        |(r#type, status, reason): &(ConditionType, ConditionStatus, String)| Condition {
            r#type: *r#type,
            status: *status,
            last_transition_time: None,
            reason: reason.clone(),
            message: String::new(),
            observed_generation: None,
        };
    status.conditions = case.conditions.iter().map(condition).collect();
    autoscaler
}

fn cpu(percent: Option<i32>) -> MetricSpec {
    MetricSpec {
        r#type: "Resource".to_owned(),
        resource: Some(ResourceMetric {
            name: "cpu".to_owned(),
            target: MetricTarget {
                average_utilization: percent,
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}

fn seen(case: &Case) -> Observation {
    let replicas = case.status_replicas.unwrap_or(case.replicas);
    let specs = autoscaler(case).spec.metrics;
    let reading = |spec: &MetricSpec| {
        let failing = case.failing.contains(&spec.r#type);
        if failing {
            Reading::Failed("something went wrong".to_owned())
        } else {
            reading(case, spec)
        }
    };
    Observation {
        target: Target::Scale(Scale {
            replicas: case.replicas,
            status_replicas: replicas,
            selector: "name=pod".to_owned(),
        }),
        pods: pods(case, usize::try_from(replicas).expect("none is negative")),
        metrics: specs.iter().map(reading).collect(),
        others: Vec::new(),
    }
}

fn reading(case: &Case, spec: &MetricSpec) -> Reading {
    let levels = case.levels.iter().map(|it| Quantity::from_milli(*it));
    match spec.r#type.as_str() {
        "Pods" => {
            let value = |(at, value)| PodValue {
                pod: format!("pod-{at}"),
                value,
            };
            Reading::Pods(levels.enumerate().map(value).collect())
        }
        "Object" => Reading::Object(levels.clone().next().unwrap_or_default()),
        "External" => Reading::External(levels.collect()),
        _ => {
            let container = |name: &str, level: i64| ContainerUsage {
                name: name.to_owned(),
                usage: [("cpu".to_owned(), Quantity::from_milli(level / 2))].into(),
            };
            let usage = |(at, level): (usize, &i64)| PodUsage {
                pod: format!("pod-{at}"),
                timestamp: now(),
                window: Duration::from_mins(1),
                containers: vec![
                    container("container1", *level),
                    container("container2", *level),
                ],
            };
            Reading::Resource(case.levels.iter().enumerate().map(usage).collect())
        }
    }
}

fn pods(case: &Case, replicas: usize) -> Vec<Pod> {
    let count = case.requests.as_ref().map_or(replicas, Vec::len);
    let pod = |at: usize| {
        let request = case.requests.as_ref().map_or(Quantity::new(1), |it| it[at]);
        let container = |name: &str| Container {
            name: name.to_owned(),
            requests: [("cpu".to_owned(), Quantity::from_milli(request.milli() / 2))].into(),
            ..Container::default()
        };
        let started = start(case.age.get(at));
        let ready = case.ready.get(at).copied().unwrap_or(true);
        Pod {
            name: format!("pod-{at}"),
            labels: [("name".to_owned(), "pod".to_owned())].into(),
            phase: case.phase.get(at).copied().unwrap_or(Phase::Running),
            start_time: Some(started),
            deletion_timestamp: case.deleted.get(at).is_some_and(|it| *it).then(now),
            ready: Some(Readiness {
                status: if ready {
                    ConditionStatus::True
                } else {
                    ConditionStatus::False
                },
                last_transition_time: Some(started),
            }),
            containers: vec![container("container1"), container("container2")],
            ..Pod::default()
        }
    };
    (0..count).map(pod).collect()
}
