//! What one metric asks for.

use std::time::{Duration, SystemTime};

use hpa::{
    Calculation, Calculator, ConditionStatus, Container, ContainerUsage, Phase, Pod, PodUsage,
    Quantity, Readiness, Sample, Samples, Tolerances, resource_samples, total, total_per_replica,
    unset,
};
use serde::Deserialize;

use crate::setting::{ago, now, rows, start};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    of: Of,
    target: i64,
    current: i32,
    tolerance: Option<[f64; 2]>,
    container: Option<String>,
    #[serde(default)]
    requests: Vec<Quantity>,
    #[serde(default)]
    usage: Vec<Vec<i64>>,
    #[serde(default)]
    pod_names: Vec<String>,
    #[serde(default)]
    values: Vec<i64>,
    #[serde(default)]
    ready: Vec<bool>,
    #[serde(default)]
    age: Vec<u64>,
    #[serde(default)]
    phase: Vec<Phase>,
    #[serde(default)]
    deleted: Vec<bool>,
    replicas: Option<i32>,
    utilization: Option<i32>,
    mean: Option<i64>,
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Of {
    Utilization,
    Pods,
    Object,
    ObjectPerReplica,
    External,
    ExternalPerReplica,
}

#[test]
fn every_case_of_the_replica_calculator_is_calculated_alike() {
    let cases: Vec<Case> = rows(include_str!("cases/calculator.yaml"));
    assert_eq!(cases.len(), 76);
    for case in &cases {
        let calculated = calculate(case);
        match (&case.error, calculated) {
            (Some(expected), Err(error)) => assert!(error.contains(expected), "{case:?}: {error}"),
            (None, Ok(it)) => {
                assert_eq!(Some(it.replicas), case.replicas, "{case:?}: {it:?}");
                assert_eq!(Some(it.usage), case.mean, "{case:?}: {it:?}");
                assert_eq!(it.utilization, case.utilization, "{case:?}: {it:?}");
            }
            (_, other) => panic!("{case:?}: {other:?}"),
        }
    }
}

fn calculate(case: &Case) -> Result<Calculation, String> {
    let pods = pods(case);
    let pods: Vec<&Pod> = pods.iter().collect();
    let [down, up] = case.tolerance.unwrap_or([0.1, 0.1]);
    let calculator = Calculator {
        pods: &pods,
        current: case.current,
        tolerances: Tolerances {
            scale_down: down,
            scale_up: up,
        },
        cpu_initialization_period: Duration::from_mins(2),
        initial_readiness_delay: Duration::from_secs(10),
        pod_level_resources: true,
        now: now(),
    };
    let text = |it: Result<_, hpa::CalculationError>| it.map_err(|error| error.to_string());
    match case.of {
        Of::Utilization if case.usage.is_empty() => Err(
            "unable to get metrics for resource cpu: no metrics returned from resource metrics API"
                .to_owned(),
        ),
        Of::Utilization => {
            let container = case.container.as_deref();
            let samples = resource_samples(&usages(case), "cpu", container);
            let percent = i32::try_from(case.target).expect("percent are few");
            text(calculator.utilization(percent, "cpu", container, &samples))
        }
        Of::Pods => {
            let values = case.values.iter().enumerate();
            let samples: Samples = values.map(|(at, it)| (name(at), Sample::of(*it))).collect();
            text(calculator.average(case.target, None, &samples))
        }
        Of::Object => text(calculator.value(case.target, case.values[0])),
        Of::External => text(calculator.value(case.target, total(&case.values))),
        Of::ObjectPerReplica => {
            Ok(calculator.value_per_replica(case.target, case.values[0], case.current))
        }
        Of::ExternalPerReplica => {
            let value = total_per_replica(&case.values);
            Ok(calculator.value_per_replica(case.target, value, case.current))
        }
    }
}

fn name(at: usize) -> String {
    format!("pod-{at}")
}

/// Two containers a pod, each of which requests the same.
fn pods(case: &Case) -> Vec<Pod> {
    let count = usize::try_from(case.current)
        .expect("none is negative")
        .max(case.phase.len());
    let pod = |at: usize| {
        let requests = case.requests.get(at).map(|it| ("cpu".to_owned(), *it));
        let container = |name: &str| Container {
            name: name.to_owned(),
            requests: requests.clone().into_iter().collect(),
            ..Container::default()
        };
        let ready = case.ready.get(at).copied().unwrap_or(true);
        Pod {
            name: name(at),
            phase: case.phase.get(at).copied().unwrap_or(Phase::Running),
            start_time: Some(start(case.age.get(at))),
            deletion_timestamp: case.deleted.get(at).is_some_and(|it| *it).then(now),
            ready: Some(Readiness {
                status: if ready {
                    ConditionStatus::True
                } else {
                    ConditionStatus::False
                },
                last_transition_time: None,
            }),
            containers: vec![container("container1"), container("container2")],
            ..Pod::default()
        }
    };
    (0..count).map(pod).collect()
}

fn usages(case: &Case) -> Vec<PodUsage> {
    let containers = |levels: &[i64]| {
        let usage = |at: usize| match levels.get(at) {
            Some(level) => ContainerUsage {
                name: format!("container{}", at + 1),
                usage: [("cpu".to_owned(), Quantity::from_milli(*level))].into(),
            },
            None => ContainerUsage::default(),
        };
        vec![usage(0), usage(1)]
    };
    let usage = |(at, levels): (usize, &Vec<i64>)| PodUsage {
        pod: case.pod_names.get(at).cloned().unwrap_or_else(|| name(at)),
        // None is given, as none is of when a pod became ready.
        timestamp: unset(),
        window: Duration::from_mins(1),
        containers: containers(levels),
    };
    case.usage.iter().enumerate().map(usage).collect()
}

/// A pod that started and became ready (or not) so many seconds ago, with a sample of so many seconds ago.
struct Grouped {
    resource: &'static str,
    started: u64,
    ready: Option<(ConditionStatus, u64)>,
    sampled: Option<u64>,
    counts: bool,
}

#[test]
fn a_sample_of_cpu_counts_once_its_pod_is_ready() {
    use ConditionStatus::{False, True};
    let cases = [
        // Whether a pod is ready matters for CPU only.
        ("memory", 0, None, Some(0), true),
        ("cpu", 0, None, Some(0), false),
        // In the first two minutes the whole window must lie after it became ready.
        ("cpu", 60, Some((True, 30)), Some(0), false),
        ("cpu", 60, Some((True, 60)), Some(0), true),
        ("cpu", 60, Some((False, 60)), Some(0), false),
        // Later any sample counts,
        ("cpu", 180, Some((True, 180)), Some(120), true),
        // that of an unready pod too if it once was ready: if it became unready more than ten seconds after it started.
        ("cpu", 600, Some((False, 540)), Some(0), true),
        ("cpu", 600, Some((False, 590)), Some(0), true),
        ("cpu", 600, Some((False, 594)), Some(0), false),
        ("cpu", 180, None, None, false),
    ];
    for (resource, started, ready, sampled, counts) in cases {
        let case = Grouped {
            resource,
            started,
            ready,
            sampled,
            counts,
        };
        check_grouped(&case);
    }
}

fn check_grouped(case: &Grouped) {
    let pod = Pod {
        name: name(0),
        phase: Phase::Running,
        start_time: Some(ago(case.started)),
        ready: case.ready.map(|(status, since)| Readiness {
            status,
            last_transition_time: Some(ago(since)),
        }),
        ..Pod::default()
    };
    let sample = |timestamp: SystemTime| Sample {
        timestamp,
        window: Duration::from_mins(1),
        value: 1,
    };
    let samples: Samples = case
        .sampled
        .map(|it| (name(0), sample(ago(it))))
        .into_iter()
        .collect();
    let calculator = Calculator {
        pods: &[&pod],
        current: 1,
        tolerances: Tolerances::both(0.1),
        cpu_initialization_period: Duration::from_mins(2),
        initial_readiness_delay: Duration::from_secs(10),
        pod_level_resources: true,
        now: now(),
    };
    let groups = calculator.group(&samples, case.resource);
    let counted = groups.ready == 1;
    let told = format!(
        "{} started {} s ago, ready {:?}: {groups:?}",
        case.resource, case.started, case.ready
    );
    assert_eq!(counted, case.counts, "{told}");
    assert_eq!(
        groups.missing.len(),
        usize::from(case.sampled.is_none()),
        "{told}"
    );
}

#[test]
fn what_a_pod_requests_is_the_sum_of_its_containers_or_what_it_says_itself() {
    let container = |name: &str, milli: Option<i64>, restarts_always| Container {
        name: name.to_owned(),
        requests: milli
            .map(|it| ("cpu".to_owned(), Quantity::from_milli(it)))
            .into_iter()
            .collect(),
        restarts_always,
    };
    let mut pod = Pod {
        name: "pod".to_owned(),
        containers: vec![
            container("a", Some(100), false),
            container("b", Some(50), false),
        ],
        init_containers: vec![
            container("first", Some(20), false),
            container("sidecar", Some(30), true),
        ],
        ..Pod::default()
    };
    let error = |pod: &Pod, container| pod.request("cpu", container, true).unwrap_err().to_string();
    assert_eq!(
        pod.request("cpu", None, true),
        Ok(180),
        "containers and sidecars"
    );
    assert_eq!(pod.request("cpu", Some("b"), true), Ok(50));
    assert_eq!(
        error(&pod, Some("other")),
        "container other not found in Pod pod"
    );

    pod.containers[0].requests.clear();
    assert_eq!(
        error(&pod, None),
        "missing request for cpu in container a of Pod pod"
    );

    pod.requests
        .insert("cpu".to_owned(), Quantity::from_milli(800));
    assert_eq!(
        pod.request("cpu", None, true),
        Ok(800),
        "the pod itself before its containers"
    );
    assert_eq!(
        pod.request("cpu", Some("b"), true),
        Ok(50),
        "but not before one that is named"
    );
    assert_eq!(
        pod.request("cpu", None, false).unwrap_err().to_string(),
        "missing request for cpu in container a of Pod pod",
        "only where the feature is on"
    );
    assert_eq!(
        pod.request("nvidia.com/gpu", None, true)
            .unwrap_err()
            .to_string(),
        "missing pod-level request for nvidia.com/gpu in Pod pod"
    );
}
