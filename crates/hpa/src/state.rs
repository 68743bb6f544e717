//! What the controller remembers of an autoscaler between two decisions.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{
    behavior::{Behavior, ScalingRules},
    instant::{self, offset},
};

/// What is remembered. A controller that starts anew knows nothing: [`State::default`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct State {
    /// What was recommended, before it was stabilized. None at all until the autoscaler is first seen: then the number of replicas
    /// there are counts as recommended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommendations: Option<Vec<Recommendation>>,
    /// When replicas were added.
    pub scale_up_events: Vec<ScaleEvent>,
    /// When replicas were taken away.
    pub scale_down_events: Vec<ScaleEvent>,
}

/// What was recommended, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recommendation {
    /// How many replicas.
    pub replicas: i32,
    /// When.
    #[serde(with = "instant")]
    pub timestamp: SystemTime,
}

/// By how many replicas the target was changed, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleEvent {
    /// How many were added, or taken away.
    pub change: i32,
    /// When.
    #[serde(with = "instant")]
    pub timestamp: SystemTime,
    /// Older than every policy's period: its place is taken by the next event.
    #[serde(default)]
    pub outdated: bool,
}

impl State {
    /// The first time an autoscaler is seen, the replicas there are count as recommended.
    pub(crate) fn begin(&mut self, replicas: i32, now: SystemTime) {
        let first = || Recommendation {
            replicas,
            timestamp: now,
        };
        self.recommendations.get_or_insert_with(|| vec![first()]);
    }

    /// Remembers what is recommended, in the place of one that is too old to count, if there is any.
    pub(crate) fn recommend(&mut self, replicas: i32, old: Option<usize>, now: SystemTime) {
        let recommendation = Recommendation {
            replicas,
            timestamp: now,
        };
        let all = self.recommendations.get_or_insert_default();
        match old.and_then(|it| all.get_mut(it)) {
            Some(place) => *place = recommendation,
            None => all.push(recommendation),
        }
    }

    /// Remembers that the target was changed. Without a `behavior` nothing asks for it.
    pub fn record_change(
        &mut self,
        behavior: Option<&Behavior>,
        from: i32,
        to: i32,
        now: SystemTime,
    ) {
        let Some(behavior) = behavior else { return };
        let (events, rules) = if to > from {
            (&mut self.scale_up_events, &behavior.scale_up)
        } else {
            (&mut self.scale_down_events, &behavior.scale_down)
        };
        let cutoff = offset(now, -i64::from(rules.as_ref().map_or(0, longest_period)));
        let mut old = None;
        for (at, event) in events.iter_mut().enumerate() {
            event.outdated |= event.timestamp < cutoff;
            if event.outdated {
                old = Some(at);
            }
        }
        let event = ScaleEvent {
            change: to.wrapping_sub(from).wrapping_abs(),
            timestamp: now,
            outdated: false,
        };
        match old.and_then(|it| events.get_mut(it)) {
            Some(place) => *place = event,
            None => events.push(event),
        }
    }
}

fn longest_period(rules: &ScalingRules) -> i32 {
    let policies = rules.policies.iter().flatten();
    policies
        .map(|it| it.period_seconds)
        .max()
        .unwrap_or(0)
        .max(0)
}

/// By how many replicas the target was changed in the last `seconds`.
pub fn change_within(events: &[ScaleEvent], seconds: i32, now: SystemTime) -> i32 {
    let cutoff = offset(now, -i64::from(seconds));
    let recent = events.iter().filter(|it| it.timestamp > cutoff);
    recent.map(|it| it.change).fold(0, i32::wrapping_add)
}
