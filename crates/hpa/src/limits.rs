//! From what is recommended to what is allowed: stabilization, the rates of the policies, and the limits of the specification.

use std::time::{Duration, SystemTime};

use crate::{
    arithmetic,
    behavior::{Behavior, PolicyType, ScalingRules, SelectPolicy},
    instant::{offset, unset},
    state::{ScaleEvent, State, change_within},
};

/// What the recommendation became, and why (a reason and a message of the condition it is told in).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// How many replicas.
    pub replicas: i32,
    /// The condition's reason.
    pub reason: &'static str,
    /// The condition's message.
    pub message: &'static str,
}

/// What is to be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Never fewer.
    pub min: i32,
    /// Never more.
    pub max: i32,
    /// How many there are.
    pub current: i32,
}

/// By how much replicas may grow at once where there is no `behavior`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrowthLimit {
    /// To so many times what there are,
    pub factor: f64,
    /// or to so many, whichever is more.
    pub minimum: f64,
}

impl Default for GrowthLimit {
    /// Twice as many, or 4.
    fn default() -> Self {
        Self {
            factor: 2.0,
            minimum: 4.0,
        }
    }
}

const WITHIN: (&str, &str) = (
    "DesiredWithinRange",
    "the desired count is within the acceptable range",
);
const SCALE_UP_LIMIT: (&str, &str) = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
);
const SCALE_DOWN_LIMIT: (&str, &str) = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
);
const TOO_MANY: (&str, &str) = (
    "TooManyReplicas",
    "the desired replica count is more than the maximum replica count",
);
const TOO_FEW: (&str, &str) = (
    "TooFewReplicas",
    "the desired replica count is less than the minimum replica count",
);
const READY: (&str, &str) = ("ReadyForNewScale", "recommended size matches current size");
const DOWN_STABILIZED: (&str, &str) = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const UP_STABILIZED: (&str, &str) = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);

fn limited(replicas: i32, (reason, message): (&'static str, &'static str)) -> Limited {
    Limited {
        replicas,
        reason,
        message,
    }
}

impl State {
    /// Without a `behavior`: the highest recommendation of the last `window`. Remembers the new one.
    pub fn stabilize(&mut self, desired: i32, window: Duration, now: SystemTime) -> Limited {
        let cutoff = now.checked_sub(window).unwrap_or_else(unset);
        let (mut highest, mut old) = (desired, None);
        for (at, it) in self.recommendations.iter().flatten().enumerate() {
            if it.timestamp < cutoff {
                old = Some(at);
            } else {
                highest = highest.max(it.replicas);
            }
        }
        self.recommend(desired, old, now);
        limited(
            highest,
            if highest == desired {
                READY
            } else {
                DOWN_STABILIZED
            },
        )
    }

    /// With a `behavior`: what is nearest to what there are, between the lowest recommendation of the window upwards and the highest
    /// of the window downwards. Remembers the new one.
    pub fn stabilize_by(
        &mut self,
        behavior: &Behavior,
        current: i32,
        desired: i32,
        window: Duration,
        now: SystemTime,
    ) -> Limited {
        let seconds = |rules: &Option<ScalingRules>| rules.as_ref()?.stabilization_window_seconds;
        let up_cutoff = offset(now, -i64::from(seconds(&behavior.scale_up).unwrap_or(0)));
        let down_cutoff = match seconds(&behavior.scale_down) {
            Some(seconds) => offset(now, -i64::from(seconds)),
            None => now
                .checked_sub(Duration::from_secs(window.as_secs()))
                .unwrap_or_else(unset),
        };
        let (mut lowest, mut highest, mut old) = (desired, desired, None);
        for (at, it) in self.recommendations.iter().flatten().enumerate() {
            if it.timestamp > up_cutoff {
                lowest = lowest.min(it.replicas);
            }
            if it.timestamp > down_cutoff {
                highest = highest.max(it.replicas);
            }
            if it.timestamp < up_cutoff && it.timestamp < down_cutoff {
                old = Some(at);
            }
        }
        self.recommend(desired, old, now);
        let stabilized = current.max(lowest).min(highest);
        let why = match () {
            () if stabilized == desired => READY,
            () if desired >= current => UP_STABILIZED,
            () => DOWN_STABILIZED,
        };
        limited(stabilized, why)
    }

    /// With a `behavior`: as far towards `desired` as its policies and the specification allow.
    pub fn limit_rate(
        &self,
        behavior: &Behavior,
        desired: i32,
        limits: Limits,
        now: SystemTime,
    ) -> Limited {
        if desired > limits.current {
            let rules = behavior.scale_up.as_ref();
            let rate = rules.map_or(i32::MAX, |it| self.scale_up_limit(it, limits.current, now));
            let rate = rate.max(limits.current);
            let (most, why) = if limits.max > rate {
                (rate, SCALE_UP_LIMIT)
            } else {
                (limits.max, TOO_MANY)
            };
            if desired > most {
                return limited(most, why);
            }
        } else if desired < limits.current {
            let rules = behavior.scale_down.as_ref();
            let rate = rules.map_or(i32::MIN, |it| {
                self.scale_down_limit(it, limits.current, now)
            });
            let rate = rate.min(limits.current);
            let (least, why) = if limits.min < rate {
                (rate, SCALE_DOWN_LIMIT)
            } else {
                (limits.min, TOO_FEW)
            };
            if desired < least {
                return limited(least, why);
            }
        }
        limited(desired, WITHIN)
    }

    /// The most replicas that the rules allow now. Percents are rounded up, so that a few replicas can grow at all.
    pub fn scale_up_limit(&self, rules: &ScalingRules, current: i32, now: SystemTime) -> i32 {
        let (start, pick): (i32, fn(i32, i32) -> i32) =
            match rules.select_policy.unwrap_or_default() {
                SelectPolicy::Disabled => return current,
                SelectPolicy::Min => (i32::MAX, Ord::min),
                SelectPolicy::Max => (i32::MIN, Ord::max),
            };
        let policies = rules.policies.iter().flatten();
        policies.fold(start, |limit, policy| {
            let before = self.replicas_before(policy.period_seconds, current, now);
            let most = match policy.r#type {
                PolicyType::Pods => before.wrapping_add(policy.value),
                PolicyType::Percent => {
                    arithmetic::ceil(f64::from(before) * (1.0 + f64::from(policy.value) / 100.0))
                }
            };
            pick(limit, most)
        })
    }

    /// The fewest replicas that the rules allow now.
    pub fn scale_down_limit(&self, rules: &ScalingRules, current: i32, now: SystemTime) -> i32 {
        let (start, pick): (i32, fn(i32, i32) -> i32) =
            match rules.select_policy.unwrap_or_default() {
                SelectPolicy::Disabled => return current,
                SelectPolicy::Min => (i32::MIN, Ord::max),
                SelectPolicy::Max => (i32::MAX, Ord::min),
            };
        let policies = rules.policies.iter().flatten();
        policies.fold(start, |limit, policy| {
            let before = self.replicas_before(policy.period_seconds, current, now);
            let least = match policy.r#type {
                PolicyType::Pods => before.wrapping_sub(policy.value),
                PolicyType::Percent => arithmetic::truncate(
                    f64::from(before) * (1.0 - f64::from(policy.value) / 100.0),
                ),
            };
            pick(limit, least)
        })
    }

    /// How many replicas there were at the start of a period, as far as the autoscaler itself changed them.
    fn replicas_before(&self, seconds: i32, current: i32, now: SystemTime) -> i32 {
        let change = |events: &[ScaleEvent]| change_within(events, seconds, now);
        current
            .wrapping_sub(change(&self.scale_up_events))
            .wrapping_add(change(&self.scale_down_events))
    }
}

impl GrowthLimit {
    /// Without a `behavior`: within the specification, and not too much at once.
    pub fn limit(&self, desired: i32, limits: Limits) -> Limited {
        let rate =
            arithmetic::truncate((self.factor * f64::from(limits.current)).max(self.minimum));
        let (most, why) = if limits.max > rate {
            (rate, SCALE_UP_LIMIT)
        } else {
            (limits.max, TOO_MANY)
        };
        if desired < limits.min {
            limited(limits.min, TOO_FEW)
        } else if desired > most {
            limited(most, why)
        } else {
            limited(desired, WITHIN)
        }
    }
}
