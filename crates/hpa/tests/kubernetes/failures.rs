//! Metrics that cannot be read: the condition, the events and the error of each kind, word for word.

use hpa::{Action, ConditionType, Outcome, Reading};

use crate::conditions::{PODS, autoscaler, condition, decide, seen, warning};

fn failing(metric: &str, reading: Option<Reading>) -> Outcome {
    let mut seen = seen();
    seen.metrics = reading.into_iter().collect();
    decide(&autoscaler(metric), &seen)
}

fn down() -> Reading {
    Reading::Failed("something went wrong".to_owned())
}

/// A metric, what its API answers, and the condition, the event and the error that come of it.
struct Failing {
    metric: &'static str,
    reading: Option<Reading>,
    reason: &'static str,
    cause: &'static str,
    error: &'static str,
}

#[test]
fn a_resource_fails_in_the_controllers_words() {
    check_failing([
        Failing {
            metric: "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 10}}}",
            reading: Some(down()),
            reason: "FailedGetResourceMetric",
            cause: "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: something went wrong",
            error: "failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: something went wrong",
        },
        Failing {
            metric: "{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}",
            reading: None,
            reason: "FailedGetResourceMetric",
            cause: "failed to get memory usage: unable to get metrics for resource memory: no metrics returned from resource metrics API",
            error: "failed to get memory resource metric value: failed to get memory usage: unable to get metrics for resource memory: no metrics returned from resource metrics API",
        },
        Failing {
            metric: "{type: Resource, resource: {name: cpu, target: {type: Utilization}}}",
            reading: None,
            reason: "FailedGetResourceMetric",
            cause: "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set",
            error: "failed to get cpu resource metric value: invalid resource metric source: neither an average utilization target nor an average value (usage) target was set",
        },
        Failing {
            metric: "{type: ContainerResource, containerResource: {name: cpu, container: main, target: {type: Utilization, averageUtilization: 10}}}",
            reading: Some(down()),
            reason: "FailedGetContainerResourceMetric",
            cause: "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: something went wrong",
            error: "failed to get main container metric value: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: something went wrong",
        },
    ]);
}

#[test]
fn a_metric_with_a_name_fails_in_the_controllers_words() {
    check_failing([
        Failing {
            metric: PODS,
            reading: Some(down()),
            reason: "FailedGetPodsMetric",
            cause: "unable to get metric in_flight: unable to fetch metrics from custom metrics API: something went wrong",
            error: "failed to get pods metric value: unable to get metric in_flight: unable to fetch metrics from custom metrics API: something went wrong",
        },
        Failing {
            metric: "{type: Object, object: {describedObject: {kind: Ingress, name: main}, metric: {name: qps}, target: {type: Value, value: 15}}}",
            reading: Some(down()),
            reason: "FailedGetObjectMetric",
            cause: "unable to get metric qps on Ingress shop/main: unable to fetch metrics from custom metrics API: something went wrong",
            error: "failed to get object metric value: unable to get metric qps on Ingress shop/main: unable to fetch metrics from custom metrics API: something went wrong",
        },
        Failing {
            metric: "{type: Object, object: {describedObject: {kind: Ingress, name: main}, metric: {name: qps}, target: {type: AverageValue, averageValue: 15}}}",
            reading: Some(down()),
            reason: "FailedGetObjectMetric",
            cause: "unable to get metric qps on Ingress shop/main: unable to fetch metrics from custom metrics API: something went wrong",
            error: "failed to get object metric value: failed to get qps object metric: unable to get metric qps on Ingress shop/main: unable to fetch metrics from custom metrics API: something went wrong",
        },
        Failing {
            metric: "{type: External, external: {metric: {name: depth, selector: {matchLabels: {queue: q}}}, target: {type: Value, value: 300m}}}",
            reading: Some(down()),
            reason: "FailedGetExternalMetric",
            cause: "unable to get external metric shop/depth/&LabelSelector{MatchLabels:map[string]string{queue: q,},MatchExpressions:[]LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API: something went wrong",
            error: "failed to get depth external metric value: failed to get external metric depth: unable to get external metric shop/depth/&LabelSelector{MatchLabels:map[string]string{queue: q,},MatchExpressions:[]LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API: something went wrong",
        },
        Failing {
            metric: "{type: External, external: {metric: {name: depth}, target: {type: AverageValue, averageValue: 300m}}}",
            reading: None,
            reason: "FailedGetExternalMetric",
            cause: "unable to get external metric shop/depth/nil: no metrics returned from external metrics API",
            error: "failed to get depth external metric value: failed to get depth external metric: unable to get external metric shop/depth/nil: no metrics returned from external metrics API",
        },
        Failing {
            metric: "{type: CheddarCheese}",
            reading: None,
            reason: "InvalidMetricSourceType",
            cause: "unknown metric source type \"CheddarCheese\"",
            error: "unknown metric source type \"CheddarCheese\"",
        },
    ]);
}

fn check_failing<const N: usize>(cases: [Failing; N]) {
    for case in cases {
        let outcome = failing(case.metric, case.reading);
        let message = format!(
            "the HPA was unable to compute the replica count: {}",
            case.cause
        );
        assert_eq!(
            condition(&outcome, ConditionType::ScalingActive),
            (false, case.reason, message.as_str())
        );
        let first = format!(
            "invalid metrics (1 invalid out of 1), first error is: {}",
            case.error
        );
        let events = [
            warning(case.reason, case.cause),
            warning("FailedComputeMetricsReplicas", &first),
        ];
        assert_eq!(outcome.events, events);
        let reference = "Deployment/shop/search";
        let error = format!(
            "failed to compute desired number of replicas based on listed metrics for {reference}: {first}"
        );
        assert_eq!(outcome.error.expect("it failed").message, error);
        assert_eq!(outcome.action, Action::None);
    }
}

#[test]
fn metrics_of_unknown_pods_and_pods_without_requests_say_nothing() {
    let cpu = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 10}}}";
    let reading = |pod: &str| {
        let timestamp = "timestamp: 2027-01-15T07:59:00Z, windowSeconds: 30";
        let text = format!(
            "resource: [{{pod: {pod}, {timestamp}, containers: [{{name: main, usage: {{cpu: 100m}}}}]}}]"
        );
        Some(hpa::read(&text).unwrap())
    };
    let cause = |outcome: &Outcome| outcome.events[0].message.clone();
    let unknown = failing(cpu, reading("unknown"));
    assert_eq!(
        cause(&unknown),
        "failed to get cpu utilization: no metrics returned matched known pods"
    );
    // Its pods have no start time, so that they are taken to be starting.
    let starting = failing(cpu, reading("a"));
    let expected = "failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)";
    assert_eq!(cause(&starting), expected);

    let mut seen = seen();
    seen.metrics = vec![reading("a").unwrap()];
    seen.pods.clear();
    let empty = decide(&autoscaler(cpu), &seen);
    let expected = "failed to get cpu utilization: no pods returned by selector while calculating replica count";
    assert_eq!(cause(&empty), expected);
}
