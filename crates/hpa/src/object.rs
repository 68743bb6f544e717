//! The object `HorizontalPodAutoscaler` of `autoscaling/v2`, field by field as in Kubernetes' API.
//!
//! Nothing is checked when it is built in code, so that one can also ask what the controller makes of an invalid object;
//! [`HorizontalPodAutoscaler::from_yaml`] and [`HorizontalPodAutoscaler::validate`] check.

use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{
    behavior::Behavior, labels::LabelSelector, manifest::or_empty, quantity::Quantity,
    status::Status,
};

/// What the object is, what it scales, and by what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HorizontalPodAutoscaler {
    /// `autoscaling/v2`.
    pub api_version: String,
    /// `HorizontalPodAutoscaler`.
    pub kind: String,
    /// Its name and namespace.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
    /// What was decided last.
    #[serde(default)]
    pub status: Status,
}

/// The metadata that the algorithm needs. What else an API server writes there is read and left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "AllMetadata")]
pub struct Metadata {
    /// Unique among the autoscalers of a namespace.
    pub name: String,
    /// Where its target and the pods are.
    pub namespace: String,
    /// The API server's count of changes to the specification.
    pub generation: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AllMetadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    generation: i64,
    #[serde(default, rename = "annotations")]
    _annotations: IgnoredAny,
    #[serde(default, rename = "creationTimestamp")]
    _creation_timestamp: IgnoredAny,
    #[serde(default, rename = "deletionGracePeriodSeconds")]
    _deletion_grace_period_seconds: IgnoredAny,
    #[serde(default, rename = "deletionTimestamp")]
    _deletion_timestamp: IgnoredAny,
    #[serde(default, rename = "finalizers")]
    _finalizers: IgnoredAny,
    #[serde(default, rename = "generateName")]
    _generate_name: IgnoredAny,
    #[serde(default, rename = "labels")]
    _labels: IgnoredAny,
    #[serde(default, rename = "managedFields")]
    _managed_fields: IgnoredAny,
    #[serde(default, rename = "ownerReferences")]
    _owner_references: IgnoredAny,
    #[serde(default, rename = "resourceVersion")]
    _resource_version: IgnoredAny,
    #[serde(default, rename = "selfLink")]
    _self_link: IgnoredAny,
    #[serde(default, rename = "uid")]
    _uid: IgnoredAny,
}

impl From<AllMetadata> for Metadata {
    fn from(all: AllMetadata) -> Self {
        Self {
            name: all.name,
            namespace: all.namespace,
            generation: all.generation,
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// What is scaled.
    pub scale_target_ref: ObjectReference,
    /// Never fewer; 1 if not given. 0 needs an Object or External metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<i32>,
    /// Never more.
    pub max_replicas: i32,
    /// By what: the metric that asks for most decides. Without any, CPU at 80 % of what the pods request.
    #[serde(
        default,
        deserialize_with = "or_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub metrics: Vec<MetricSpec>,
    /// How fast, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,
}

impl Spec {
    /// Whether any metric has a value while there are no pods: an Object or External one. Only with such a one can there be none.
    pub fn has_metric_without_pods(&self) -> bool {
        let without_pods = |it: &MetricSpec| matches!(it.r#type.as_str(), "Object" | "External");
        self.metrics.iter().any(without_pods)
    }
}

impl HorizontalPodAutoscaler {
    /// The target by kind, namespace and name: `Deployment/shop/search`.
    pub fn reference(&self) -> String {
        let target = &self.spec.scale_target_ref;
        format!(
            "{}/{}/{}",
            target.kind, self.metadata.namespace, target.name
        )
    }
}

/// An object in the namespace of the autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectReference {
    /// `apps/v1`, say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `Deployment`, say.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A metric and its target: `type` says which of the other fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricSpec {
    /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.
    pub r#type: String,
    /// CPU, memory or the like of whole pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceMetric>,
    /// CPU, memory or the like of one container in each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_resource: Option<ContainerResourceMetric>,
    /// A metric that each pod has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodsMetric>,
    /// A metric of one object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectMetric>,
    /// A metric from outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalMetric>,
}

/// A resource of pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceMetric {
    /// `cpu`, `memory` or another.
    pub name: String,
    /// `Utilization` or `AverageValue`.
    pub target: MetricTarget,
}

/// A resource of one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerResourceMetric {
    /// `cpu`, `memory` or another.
    pub name: String,
    /// The container, by its name in the pods.
    pub container: String,
    /// `Utilization` or `AverageValue`.
    pub target: MetricTarget,
}

/// A metric that each pod has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodsMetric {
    /// Which one.
    pub metric: MetricIdentifier,
    /// `AverageValue`.
    pub target: MetricTarget,
}

/// A metric of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectMetric {
    /// Of which object.
    pub described_object: ObjectReference,
    /// Which one.
    pub metric: MetricIdentifier,
    /// `Value`, or `AverageValue` for a share of each replica.
    pub target: MetricTarget,
}

/// A metric from outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalMetric {
    /// Which one; where several series have the name, they are added up.
    pub metric: MetricIdentifier,
    /// `Value`, or `AverageValue` for a share of each replica.
    pub target: MetricTarget,
}

/// The name of a metric, and which of its series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricIdentifier {
    /// Its name.
    pub name: String,
    /// Labels of its series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// What a metric should be: `type` says which of the other fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricTarget {
    /// `Utilization`, `Value` or `AverageValue`.
    pub r#type: String,
    /// The whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
    /// The value divided by the number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_value: Option<Quantity>,
    /// Percent of what the pods request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_utilization: Option<i32>,
}
