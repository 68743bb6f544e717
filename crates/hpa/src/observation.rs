//! What the controller sees of the cluster when it decides.

use serde::{Deserialize, Serialize};

use crate::{pod::Pod, reading::Reading};

/// What is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observation {
    /// The scale subresource of the target.
    pub target: Target,
    /// The pods of the namespace, selected or not.
    #[serde(default)]
    pub pods: Vec<Pod>,
    /// What was measured: one reading for each metric of the specification, in its order.
    #[serde(default)]
    pub metrics: Vec<Reading>,
    /// The other autoscalers of the namespace, whose pods this one must not scale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherAutoscaler>,
}

/// What the target answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Target {
    /// Its scale.
    Scale(Scale),
    /// It could not be read, for this reason.
    Failed(String),
}

/// A target as a map with one field, in whatever format.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<Scale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl TryFrom<Fields> for Target {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, &'static str> {
        match (fields.scale, fields.failed) {
            (Some(scale), None) => Ok(Self::Scale(scale)),
            (None, Some(error)) => Ok(Self::Failed(error)),
            _ => Err("must have one of scale and failed"),
        }
    }
}

impl From<Target> for Fields {
    fn from(target: Target) -> Self {
        let (scale, failed) = match target {
            Target::Scale(scale) => (Some(scale), None),
            Target::Failed(error) => (None, Some(error)),
        };
        Self { scale, failed }
    }
}

/// The scale subresource of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scale {
    /// How many replicas are wanted (`spec.replicas`).
    pub replicas: i32,
    /// How many there are (`status.replicas`).
    pub status_replicas: i32,
    /// Which pods are its replicas (`status.selector`).
    pub selector: String,
}

/// Another autoscaler of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtherAutoscaler {
    /// Its name.
    pub name: String,
    /// Which pods are replicas of its target.
    pub selector: String,
}
