//! How fast replicas may be added and taken away (`spec.behavior`).

use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// The rules of both directions. Where it is given at all, what it leaves open has defaults ([`Behavior::with_defaults`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Behavior {
    /// Upwards: by default at once, by 4 pods or 100 % in 15 s, whichever is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,
    /// Downwards: by default by 100 % in 15 s, after the controller's stabilization window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// The rules of one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingRules {
    /// For how long, in seconds, every recommendation counts: the lowest of them upwards, the highest downwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilization_window_seconds: Option<i32>,
    /// Which of the policies counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,
    /// The fastest allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<ScalingPolicy>>,
    /// How far from its target, as a share, a metric may be without anything being changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Quantity>,
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectPolicy {
    /// The one that allows the greatest change.
    #[default]
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: this direction is forbidden.
    Disabled,
}

/// By how much the number of replicas may change within a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingPolicy {
    /// Of what `value` is a number.
    pub r#type: PolicyType,
    /// How many.
    pub value: i32,
    /// The period in seconds.
    pub period_seconds: i32,
}

/// Of what a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyType {
    /// Pods.
    Pods,
    /// Percent of the pods at the start of the period.
    Percent,
}

impl Behavior {
    /// With what the API server adds to what is given. The window downwards stays open: it is the controller's.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        let policy = |r#type, value| ScalingPolicy {
            r#type,
            value,
            period_seconds: 15,
        };
        let up = ScalingRules {
            stabilization_window_seconds: Some(0),
            select_policy: Some(SelectPolicy::Max),
            policies: Some(vec![
                policy(PolicyType::Pods, 4),
                policy(PolicyType::Percent, 100),
            ]),
            tolerance: None,
        };
        let down = ScalingRules {
            stabilization_window_seconds: None,
            select_policy: Some(SelectPolicy::Max),
            policies: Some(vec![policy(PolicyType::Percent, 100)]),
            tolerance: None,
        };
        Self {
            scale_up: Some(self.scale_up.clone().unwrap_or_default().or(up)),
            scale_down: Some(self.scale_down.clone().unwrap_or_default().or(down)),
        }
    }
}

impl ScalingRules {
    fn or(self, defaults: Self) -> Self {
        Self {
            stabilization_window_seconds: self
                .stabilization_window_seconds
                .or(defaults.stabilization_window_seconds),
            select_policy: self.select_policy.or(defaults.select_policy),
            policies: self.policies.or(defaults.policies),
            tolerance: self.tolerance.or(defaults.tolerance),
        }
    }
}
