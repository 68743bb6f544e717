//! Reading the YAML of a cluster: what is accepted, what is added, and what is refused by the path of its field.

use hpa::{HorizontalPodAutoscaler, ManifestError, PolicyType, SelectPolicy};

const WHOLE: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: search
  namespace: shop
  labels: {app: search}
  annotations: {a: b}
  uid: 6c1c3b6e
  resourceVersion: '7'
  generation: 2
  creationTimestamp: 2026-11-27T06:00:00Z
  managedFields: [{manager: kubectl, operation: Apply}]
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: search}
  minReplicas: 2
  maxReplicas: 6
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}
  - type: ContainerResource
    containerResource: {name: memory, container: search, target: {type: AverageValue, averageValue: 300Mi}}
  - type: Pods
    pods: {metric: {name: in_flight, selector: {matchLabels: {route: search}}}, target: {type: AverageValue, averageValue: 3}}
  - type: Object
    object:
      describedObject: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: main}
      metric: {name: qps}
      target: {type: Value, value: 2k}
  - type: External
    external:
      metric: {name: depth, selector: {matchExpressions: [{key: queue, operator: In, values: [a, b]}]}}
      target: {type: AverageValue, averageValue: '30'}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 30
      selectPolicy: Min
      policies: [{type: Pods, value: 2, periodSeconds: 60}]
      tolerance: 0.05
status:
  observedGeneration: 2
  currentReplicas: 2
  desiredReplicas: 2
  lastScaleTime: 2026-11-27T06:01:00Z
  conditions:
  - {type: AbleToScale, status: 'True', lastTransitionTime: 2026-11-27T06:00:30Z, reason: ReadyForNewScale, message: recommended size matches current size}
  currentMetrics:
  - type: Resource
    resource: {name: cpu, current: {averageUtilization: 40, averageValue: 40m}}
";

#[test]
fn the_object_of_a_cluster_is_read_and_written_again() {
    let autoscaler = HorizontalPodAutoscaler::from_yaml(WHOLE).unwrap();
    assert_eq!(autoscaler.spec.metrics.len(), 5);
    let behavior = autoscaler.spec.behavior.as_ref().unwrap();
    let up = behavior.scale_up.as_ref().unwrap();
    assert_eq!(up.select_policy, Some(SelectPolicy::Min));
    assert_eq!(up.tolerance, Some("0.05".parse().unwrap()));
    let again = HorizontalPodAutoscaler::from_yaml(&autoscaler.to_yaml()).unwrap();
    assert_eq!(again, autoscaler);
}

#[test]
fn what_is_left_open_has_the_api_servers_defaults() {
    let autoscaler = HorizontalPodAutoscaler::from_yaml(
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {
          scaleTargetRef: {kind: Deployment, name: a}, maxReplicas: 3, behavior: {scaleDown: {selectPolicy: Disabled}}}}",
    )
    .unwrap();
    assert_eq!(autoscaler.metadata.namespace, "default");
    assert_eq!(autoscaler.spec.min_replicas, Some(1));
    let cpu = autoscaler.spec.metrics[0].resource.as_ref().unwrap();
    assert_eq!(
        (cpu.name.as_str(), cpu.target.average_utilization),
        ("cpu", Some(80))
    );
    let behavior = autoscaler.spec.behavior.unwrap();
    let (up, down) = (behavior.scale_up.unwrap(), behavior.scale_down.unwrap());
    assert_eq!(up.stabilization_window_seconds, Some(0));
    let policies = up.policies.unwrap();
    let policies: Vec<_> = policies
        .iter()
        .map(|it| (it.r#type, it.value, it.period_seconds))
        .collect();
    assert_eq!(
        policies,
        [(PolicyType::Pods, 4, 15), (PolicyType::Percent, 100, 15)]
    );
    assert_eq!(
        down.stabilization_window_seconds, None,
        "the controller's own"
    );
    assert_eq!(down.select_policy, Some(SelectPolicy::Disabled));
    assert_eq!(down.policies.unwrap().len(), 1);
}

/// The whole manifest with one line replaced.
fn changed(from: &str, to: &str) -> Result<HorizontalPodAutoscaler, ManifestError> {
    assert!(WHOLE.contains(from), "{from}");
    HorizontalPodAutoscaler::from_yaml(&WHOLE.replacen(from, to, 1))
}

#[test]
fn a_field_that_is_unknown_or_of_another_type_is_refused_by_its_path() {
    let cases = [
        (
            "minReplicas: 2",
            "minReplica: 2",
            "spec.minReplica: unknown field `minReplica`",
        ),
        (
            "minReplicas: 2",
            "minReplicas: two",
            "spec.minReplicas: invalid type",
        ),
        (
            "maxReplicas: 6",
            "maxReplicas: 6.5",
            "spec.maxReplicas: invalid type",
        ),
        (
            "maxReplicas: 6\n",
            "\n",
            "spec: missing field `maxReplicas`",
        ),
        (
            "averageValue: 3}",
            "averageVal: 3}",
            "spec.metrics[2].pods.target.averageVal: unknown field",
        ),
        (
            "averageValue: 3}",
            "averageValue: 3 k}",
            "spec.metrics[2].pods.target.averageValue: quantities must match",
        ),
        (
            "selectPolicy: Min",
            "selectPolicy: Most",
            "spec.behavior.scaleUp.selectPolicy: unknown variant `Most`",
        ),
        (
            "type: Pods, value: 2",
            "type: Pod, value: 2",
            "spec.behavior.scaleUp.policies[0].type: unknown variant",
        ),
        (
            "uid: 6c1c3b6e",
            "uuid: 6c1c3b6e",
            "metadata.uuid: unknown field",
        ),
        (
            "lastScaleTime: 2026-11-27T06:01:00Z",
            "lastScaleTime: soon",
            "status.lastScaleTime: `soon`",
        ),
    ];
    for (from, to, expected) in cases {
        let error = changed(from, to).unwrap_err();
        assert!(matches!(error, ManifestError::Unreadable { .. }), "{error}");
        assert!(error.to_string().starts_with(expected), "{to}: {error}");
    }
}

/// What is changed, into what, and what is said of it.
const REFUSED: [(&str, &str, &str); 17] = [
    (
        "apiVersion: autoscaling/v2",
        "apiVersion: autoscaling/v1",
        "apiVersion: must be `autoscaling/v2`",
    ),
    (
        "minReplicas: 2",
        "minReplicas: -1",
        "spec.minReplicas: must be greater than or equal to 0",
    ),
    (
        "maxReplicas: 6",
        "maxReplicas: 1",
        "spec.maxReplicas: must be greater than or equal to `minReplicas`",
    ),
    (
        "maxReplicas: 6",
        "maxReplicas: 0",
        "spec.maxReplicas: must be set and greater than 0",
    ),
    (
        "kind: Deployment, name: search",
        "kind: Deployment, name: ''",
        "spec.scaleTargetRef.name: Required value",
    ),
    (
        "averageUtilization: 60",
        "averageUtilization: 0",
        "spec.metrics[0].resource.target.averageUtilization: must be greater than 0",
    ),
    (
        "averageUtilization: 60",
        "averageUtilization: 60, averageValue: 1",
        "spec.metrics[0].resource.target.averageValue: may not set both a target raw value and a target utilization",
    ),
    (
        "container: search",
        "container: ''",
        "spec.metrics[1].containerResource.container: must specify a container",
    ),
    (
        "averageValue: 3}",
        "averageValue: 0}",
        "spec.metrics[2].pods.target.averageValue: must be positive",
    ),
    (
        "- type: Pods",
        "- type: Podz",
        "spec.metrics[2].type: must be one of",
    ),
    (
        "- type: Pods",
        "- type: Object",
        "spec.metrics[2].object: must populate information for the given metric source",
    ),
    (
        "operator: In,",
        "operator: Is,",
        "spec.metrics[4].external.metric.selector: \"Is\" is not a valid label selector operator",
    ),
    (
        "stabilizationWindowSeconds: 30",
        "stabilizationWindowSeconds: 3601",
        "spec.behavior.scaleUp.stabilizationWindowSeconds: must be less than or equal to 3600",
    ),
    (
        "value: 2, periodSeconds: 60",
        "value: 2, periodSeconds: 1801",
        "spec.behavior.scaleUp.policies[0].periodSeconds: must be less than or equal to 1800",
    ),
    (
        "value: 2, periodSeconds",
        "value: 0, periodSeconds",
        "spec.behavior.scaleUp.policies[0].value: must be greater than zero",
    ),
    (
        "policies: [{type: Pods, value: 2, periodSeconds: 60}]",
        "policies: []",
        "spec.behavior.scaleUp.policies: must specify at least one Policy",
    ),
    (
        "tolerance: 0.05",
        "tolerance: -0.05",
        "spec.behavior.scaleUp.tolerance: must be greater than or equal to 0",
    ),
];

#[test]
fn a_value_that_an_api_server_refuses_is_refused_in_its_words() {
    for (from, to, expected) in REFUSED {
        let error = changed(from, to).unwrap_err();
        assert!(matches!(error, ManifestError::Invalid(_)), "{error}");
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
}

#[test]
fn null_is_as_good_as_nothing() {
    let object = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a, creationTimestamp: null}, spec: {
        scaleTargetRef: {kind: Deployment, name: a}, minReplicas: null, maxReplicas: 3, metrics: null, behavior: null},
        status: {currentMetrics: null, conditions: null, desiredReplicas: 0, lastScaleTime: null}}";
    let autoscaler = HorizontalPodAutoscaler::from_yaml(object).unwrap();
    assert_eq!(
        (autoscaler.spec.min_replicas, autoscaler.spec.metrics.len()),
        (Some(1), 1)
    );
}

#[test]
fn zero_replicas_need_a_metric_that_has_a_value_without_pods() {
    assert!(changed("minReplicas: 2", "minReplicas: 0").is_ok());
    let only_cpu =
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {
        scaleTargetRef: {kind: Deployment, name: a}, minReplicas: 0, maxReplicas: 3}}";
    let error = HorizontalPodAutoscaler::from_yaml(only_cpu)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("spec.metrics: must specify at least one Object or External metric"),
        "{error}"
    );
}

#[test]
fn what_is_no_single_yaml_document_is_refused() {
    for text in ["", "a: b: c", "[", "just a text", "a: 1\n---\na: 2"] {
        assert!(
            HorizontalPodAutoscaler::from_yaml(text).is_err(),
            "{text:?}"
        );
    }
}
