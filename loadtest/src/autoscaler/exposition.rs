//! What the autoscaler says of itself as metrics: under the names of kube-state-metrics, so that dashboards and alerts ask a cluster
//! the same.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{LazyLock, atomic::AtomicU64},
};

use anyhow::Context as _;
use hpa::{
    Condition, ConditionStatus, HorizontalPodAutoscaler, MetricStatus, MetricTarget, Status,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};
use telemetry::names;
use tokio::net::TcpListener;

use crate::deployment::Service;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Object {
    namespace: String,
    horizontalpodautoscaler: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    namespace: String,
    horizontalpodautoscaler: String,
    condition: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MetricLabels {
    namespace: String,
    horizontalpodautoscaler: String,
    metric_name: String,
    metric_target_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabel {
    service: &'static str,
}

type Figure = Gauge<f64, AtomicU64>;

static MIN: LazyLock<Family<Object, Gauge>> = LazyLock::new(|| {
    let help = "Lower limit for the number of pods";
    telemetry::register(names::HPA_MIN_REPLICAS, help, Family::default())
});
static MAX: LazyLock<Family<Object, Gauge>> = LazyLock::new(|| {
    let help = "Upper limit for the number of pods";
    telemetry::register(names::HPA_MAX_REPLICAS, help, Family::default())
});
static CURRENT: LazyLock<Family<Object, Gauge>> = LazyLock::new(|| {
    let help = "Current number of replicas";
    telemetry::register(names::HPA_CURRENT_REPLICAS, help, Family::default())
});
static DESIRED: LazyLock<Family<Object, Gauge>> = LazyLock::new(|| {
    let help = "Desired number of replicas";
    telemetry::register(names::HPA_DESIRED_REPLICAS, help, Family::default())
});
static CONDITION: LazyLock<Family<ConditionLabels, Gauge>> = LazyLock::new(|| {
    let help = "The condition of the autoscaler";
    telemetry::register(names::HPA_CONDITION, help, Family::default())
});
static TARGET: LazyLock<Family<MetricLabels, Figure>> = LazyLock::new(|| {
    let help = "What a metric should be";
    telemetry::register(names::HPA_TARGET_METRIC, help, Family::default())
});
static METRIC: LazyLock<Family<MetricLabels, Figure>> = LazyLock::new(|| {
    let help = "What a metric is";
    telemetry::register(names::HPA_CURRENT_METRIC, help, Family::default())
});
static TOLD: LazyLock<Family<ServiceLabel, Gauge>> = LazyLock::new(|| {
    let help = "Replicas that a service was told to have";
    telemetry::register(names::SERVICE_REPLICAS_TOLD, help, Family::default())
});

/// Serves `GET /metrics` for as long as this process runs.
pub(crate) async fn serve() -> anyhow::Result<SocketAddr> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = bound.context("listen for scrapes of the autoscaler")?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, telemetry::metrics()).await });
    Ok(address)
}

/// Shows what was wanted and decided.
pub(super) fn show(object: &HorizontalPodAutoscaler, status: &Status, service: Service) {
    let own = || Object {
        namespace: object.metadata.namespace.clone(),
        horizontalpodautoscaler: object.metadata.name.clone(),
    };
    for (family, count) in [
        (&*MIN, object.spec.min_replicas.unwrap_or(1)),
        (&*MAX, object.spec.max_replicas),
        (&*CURRENT, status.current_replicas),
        (&*DESIRED, status.desired_replicas),
    ] {
        family.get_or_create(&own()).set(count.into());
    }
    let told = ServiceLabel {
        service: service.name(),
    };
    TOLD.get_or_create(&told)
        .set(status.desired_replicas.into());
    for condition in &status.conditions {
        show_condition(&own(), condition);
    }
    METRIC.clear();
    for metric in &status.current_metrics {
        if let Some((name, r#type, value)) = current(metric) {
            let labels = metric_labels(&own(), name, r#type);
            METRIC.get_or_create(&labels).set(value);
        }
    }
    for metric in &object.spec.metrics {
        let resource = metric.resource.as_ref().map(|it| (&it.name, &it.target));
        let pods = metric.pods.as_ref().map(|it| (&it.metric.name, &it.target));
        if let Some((name, target)) = resource.or(pods)
            && let Some((r#type, value)) = wanted(target)
        {
            let labels = metric_labels(&own(), name, r#type);
            TARGET.get_or_create(&labels).set(value);
        }
    }
}

fn show_condition(object: &Object, condition: &Condition) {
    let all = [
        ("true", ConditionStatus::True),
        ("false", ConditionStatus::False),
        ("unknown", ConditionStatus::Unknown),
    ];
    for (name, status) in all {
        let labels = ConditionLabels {
            namespace: object.namespace.clone(),
            horizontalpodautoscaler: object.horizontalpodautoscaler.clone(),
            condition: format!("{:?}", condition.r#type),
            status: name,
        };
        let holds = i64::from(condition.status == status);
        CONDITION.get_or_create(&labels).set(holds);
    }
}

fn metric_labels(object: &Object, name: &str, r#type: &'static str) -> MetricLabels {
    MetricLabels {
        namespace: object.namespace.clone(),
        horizontalpodautoscaler: object.horizontalpodautoscaler.clone(),
        metric_name: name.to_owned(),
        metric_target_type: r#type,
    }
}

/// The name of a metric that replicas have, with what it is.
fn current(metric: &MetricStatus) -> Option<(&str, &'static str, f64)> {
    let resource = metric.resource.as_ref().map(|it| (&it.name, &it.current));
    let pods = metric
        .pods
        .as_ref()
        .map(|it| (&it.metric.name, &it.current));
    let (name, current) = resource.or(pods)?;
    let utilization = current.average_utilization;
    let (r#type, value) = match (utilization, &current.average_value) {
        (Some(percent), _) => ("utilization", percent.into()),
        (None, Some(average)) => ("average", average.to_f64()),
        (None, None) => return None,
    };
    Some((name, r#type, value))
}

fn wanted(target: &MetricTarget) -> Option<(&'static str, f64)> {
    match (target.average_utilization, &target.average_value) {
        (Some(percent), _) => Some(("utilization", percent.into())),
        (None, Some(average)) => Some(("average", average.to_f64())),
        (None, None) => None,
    }
}
