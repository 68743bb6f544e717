//! What becomes of a recommendation: how far it may go, what is remembered, what recent ones make of it.

use std::time::Duration;

use hpa::{
    Behavior, GrowthLimit, Limits, Recommendation, ScaleEvent, ScalingRules, SelectPolicy, State,
    change_within,
};
use serde::Deserialize;

use crate::setting::{ago, now, rows};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rate {
    current: i32,
    desired: i32,
    min: i32,
    max: i32,
    scale_up: Option<ScalingRules>,
    scale_down: Option<ScalingRules>,
    #[serde(default)]
    ups: Vec<(i32, u64)>,
    #[serde(default)]
    downs: Vec<(i32, u64)>,
    replicas: i32,
    reason: String,
}

fn events(given: &[(i32, u64)]) -> Vec<ScaleEvent> {
    let event = |(change, seconds): &(i32, u64)| ScaleEvent {
        change: *change,
        timestamp: ago(*seconds),
        outdated: false,
    };
    given.iter().map(event).collect()
}

#[test]
fn every_case_of_scaling_rules_is_limited_alike() {
    let cases: Vec<Rate> = rows(include_str!("cases/rates.yaml"));
    assert_eq!(cases.len(), 40);
    for case in cases {
        let state = State {
            recommendations: None,
            scale_up_events: events(&case.ups),
            scale_down_events: events(&case.downs),
        };
        let behavior = Behavior {
            scale_up: case.scale_up.clone(),
            scale_down: case.scale_down.clone(),
        };
        let limits = Limits {
            min: case.min,
            max: case.max,
            current: case.current,
        };
        let limited = state.limit_rate(&behavior.with_defaults(), case.desired, limits, now());
        assert_eq!(
            (limited.replicas, limited.reason),
            (case.replicas, case.reason.as_str()),
            "{case:?}"
        );
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    change: i32,
    before: Vec<(i32, u64)>,
    rules: Option<ScalingRules>,
    within_minute: i32,
    after: Vec<(i32, bool)>,
}

#[test]
fn every_case_of_events_is_kept_alike_in_both_directions() {
    let cases: Vec<Kept> = rows(include_str!("cases/events.yaml"));
    assert_eq!(cases.len(), 8);
    for case in cases {
        for sign in [1, -1] {
            let mut state = State::default();
            let before = events(&case.before);
            assert_eq!(
                change_within(&before, 60, now()),
                case.within_minute,
                "{case:?}"
            );
            let behavior = case.rules.clone().map(|rules| Behavior {
                scale_up: (sign > 0).then(|| rules.clone()),
                scale_down: (sign < 0).then_some(rules),
            });
            let kept = |state: &mut State| {
                if sign > 0 {
                    state.scale_up_events.clone()
                } else {
                    state.scale_down_events.clone()
                }
            };
            if sign > 0 {
                state.scale_up_events = before;
            } else {
                state.scale_down_events = before;
            }
            state.record_change(behavior.as_ref(), 10, 10 + sign * case.change, now());
            let after: Vec<_> = kept(&mut state)
                .iter()
                .map(|it| (it.change, it.outdated))
                .collect();
            assert_eq!(after, case.after, "{case:?}");
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stabilized {
    recommendations: Vec<(i32, u64)>,
    current: i32,
    desired: i32,
    up: i32,
    down: i32,
    replicas: i32,
    after: Option<Vec<i32>>,
}

fn remembering(recommendations: &[(i32, u64)]) -> State {
    let recommendation = |(replicas, seconds): &(i32, u64)| Recommendation {
        replicas: *replicas,
        timestamp: ago(*seconds),
    };
    State {
        recommendations: Some(recommendations.iter().map(recommendation).collect()),
        ..State::default()
    }
}

fn remembered(state: &State) -> Vec<i32> {
    state
        .recommendations
        .iter()
        .flatten()
        .map(|it| it.replicas)
        .collect()
}

#[test]
fn every_case_of_stabilization_windows_is_stabilized_alike() {
    let cases: Vec<Stabilized> = rows(include_str!("cases/stabilization.yaml"));
    assert_eq!(cases.len(), 11);
    for case in cases {
        let mut state = remembering(&case.recommendations);
        let rules = |seconds| {
            Some(ScalingRules {
                stabilization_window_seconds: Some(seconds),
                ..ScalingRules::default()
            })
        };
        let behavior = Behavior {
            scale_up: rules(case.up),
            scale_down: rules(case.down),
        };
        let window = Duration::from_mins(5);
        let limited = state.stabilize_by(&behavior, case.current, case.desired, window, now());
        assert_eq!(limited.replicas, case.replicas, "{case:?}");
        if let Some(after) = &case.after {
            assert_eq!(&remembered(&state), after, "{case:?}");
        }
    }
}

#[test]
fn without_a_behavior_the_highest_of_five_minutes_holds() {
    type Remembered = &'static [(i32, u64)];
    // Recommendations, the new one, what holds, and how many are remembered then.
    let cases: [(Remembered, i32, i32, usize); 5] = [
        (&[], 5, 5, 1),
        (&[(4, 120), (5, 60)], 3, 5, 3),
        (&[(1, 120), (2, 60)], 3, 3, 3),
        (&[(10, 600), (9, 540)], 3, 3, 2),
        (&[(10, 600), (4, 60), (5, 120), (9, 540)], 3, 5, 4),
    ];
    for (recommendations, desired, expected, count) in cases {
        let mut state = remembering(recommendations);
        let limited = state.stabilize(desired, Duration::from_mins(5), now());
        assert_eq!(limited.replicas, expected, "{recommendations:?}");
        assert_eq!(remembered(&state).len(), count, "{recommendations:?}");
    }
}

#[test]
fn without_a_behavior_replicas_at_most_double() {
    let limit = |current, desired, min, max| {
        let limits = Limits { min, max, current };
        let limited = GrowthLimit::default().limit(desired, limits);
        (limited.replicas, limited.reason)
    };
    assert_eq!(limit(5, 7, 3, 8), (7, "DesiredWithinRange"));
    assert_eq!(limit(3, 1, 2, 8), (2, "TooFewReplicas"));
    assert_eq!(limit(1, 0, 0, 10), (0, "DesiredWithinRange"));
    assert_eq!(limit(20, 1000, 1, 10), (10, "TooManyReplicas"));
    assert_eq!(limit(3, 1000, 1, 2000), (6, "ScaleUpLimit"));
    assert_eq!(limit(1, 1000, 1, 2000), (4, "ScaleUpLimit"));
}

#[test]
fn the_policy_of_least_change_can_be_selected() {
    let rules: ScalingRules = hpa::read(
        "{stabilizationWindowSeconds: 300, selectPolicy: Min, policies: [
           {type: Pods, value: 2, periodSeconds: 60}, {type: Percent, value: 50, periodSeconds: 60}]}",
    )
    .unwrap();
    assert_eq!(rules.select_policy, Some(SelectPolicy::Min));
    assert_eq!(State::default().scale_up_limit(&rules, 1, now()), 2);
    assert_eq!(State::default().scale_down_limit(&rules, 5, now()), 3);
}
