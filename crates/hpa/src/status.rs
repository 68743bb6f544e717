//! What the controller says of itself: the status of the object, its conditions, and the events it emits.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{
    instant,
    manifest::or_empty,
    object::{MetricIdentifier, ObjectReference},
    quantity::Quantity,
};

/// What was seen and decided last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Status {
    /// The generation of the specification that was decided on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the number of replicas was last changed.
    #[serde(skip_serializing_if = "Option::is_none", with = "instant::option")]
    pub last_scale_time: Option<SystemTime>,
    /// How many replicas the target had.
    pub current_replicas: i32,
    /// How many it should have.
    pub desired_replicas: i32,
    /// What was measured, in the order of the metrics of the specification. A metric that could not be read has an empty entry.
    #[serde(deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub current_metrics: Vec<MetricStatus>,
    /// Whether it can scale, does scale, and is limited.
    #[serde(deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One statement about the autoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// What it is about.
    pub r#type: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Since when.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "instant::option"
    )]
    pub last_transition_time: Option<SystemTime>,
    /// Why, in one word.
    #[serde(default)]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default)]
    pub message: String,
    /// The generation of the specification that it is about, where somebody has said so; the controller does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionType {
    /// The target's number of replicas can be read and written.
    AbleToScale,
    /// Metrics say how many replicas there should be.
    ScalingActive,
    /// More or fewer replicas were wanted than is allowed.
    ScalingLimited,
    /// It was the autoscaler that took away the last replica, so it may add one again.
    ScaledToZero,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// What a metric was: `type` says which of the other fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricStatus {
    /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`; empty if the metric could not be read.
    pub r#type: String,
    /// A resource of whole pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceStatus>,
    /// A resource of one container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_resource: Option<ContainerResourceStatus>,
    /// A metric that each pod has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<SeriesStatus>,
    /// A metric of one object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectStatus>,
    /// A metric from outside the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<SeriesStatus>,
}

/// What a resource was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceStatus {
    /// `cpu`, `memory` or another.
    pub name: String,
    /// What it was.
    pub current: MetricValue,
}

/// What a resource of one container was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerResourceStatus {
    /// `cpu`, `memory` or another.
    pub name: String,
    /// The container.
    pub container: String,
    /// What it was.
    pub current: MetricValue,
}

/// What a metric of the pods, or one from outside the cluster, was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeriesStatus {
    /// Which one.
    pub metric: MetricIdentifier,
    /// What it was.
    pub current: MetricValue,
}

/// What a metric of an object was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectStatus {
    /// Of which object.
    pub described_object: ObjectReference,
    /// Which one.
    pub metric: MetricIdentifier,
    /// What it was.
    pub current: MetricValue,
}

/// A value in the terms of its target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricValue {
    /// The whole value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
    /// The value divided by the number of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_value: Option<Quantity>,
    /// Percent of what the pods request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_utilization: Option<i32>,
}

/// An event that the controller would emit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Whether it is a warning.
    pub r#type: EventType,
    /// What happened, in one word.
    pub reason: String,
    /// What happened, in a sentence.
    pub message: String,
}

/// Whether an event is a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventType {
    /// It is not.
    Normal,
    /// It is.
    Warning,
}

impl Event {
    pub(crate) fn warning(reason: &str, message: impl Into<String>) -> Self {
        Self {
            r#type: EventType::Warning,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

impl Status {
    /// The condition of a type, if there is one.
    pub fn condition(&self, r#type: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|it| it.r#type == r#type)
    }

    /// Sets a condition; it keeps the time of its last transition unless its status changes.
    pub(crate) fn set(
        &mut self,
        r#type: ConditionType,
        holds: bool,
        reason: &str,
        message: impl Into<String>,
        now: SystemTime,
    ) {
        let status = if holds {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        };
        let (reason, message) = (reason.to_owned(), message.into());
        match self.conditions.iter_mut().find(|it| it.r#type == r#type) {
            Some(it) => {
                if it.status != status {
                    it.last_transition_time = Some(now);
                }
                it.status = status;
                it.reason = reason;
                it.message = message;
            }
            None => self.conditions.push(Condition {
                r#type,
                status,
                last_transition_time: Some(now),
                reason,
                message,
                observed_generation: None,
            }),
        }
    }

    /// Removes a condition.
    pub(crate) fn remove(&mut self, r#type: ConditionType) {
        self.conditions.retain(|it| it.r#type != r#type);
    }
}
