//! What holds for any input.

use std::time::Duration;

use hpa::{
    Action, Behavior, Controller, HorizontalPodAutoscaler, Observation, Outcome, PodValue,
    PolicyType, Quantity, Reading, Scale, ScalingPolicy, ScalingRules, SelectPolicy, Selector,
    State, Target,
};
use proptest::{collection::vec, option, prelude::*};

use crate::setting::now;

fn policy() -> impl Strategy<Value = ScalingPolicy> {
    let types = prop_oneof![Just(PolicyType::Pods), Just(PolicyType::Percent)];
    (types, 1..200, 1..1800).prop_map(|(r#type, value, period_seconds)| ScalingPolicy {
        r#type,
        value,
        period_seconds,
    })
}

fn rules() -> impl Strategy<Value = ScalingRules> {
    let select = prop_oneof![
        Just(SelectPolicy::Max),
        Just(SelectPolicy::Min),
        Just(SelectPolicy::Disabled)
    ];
    (
        option::of(0..3600),
        option::of(select),
        option::of(vec(policy(), 1..4)),
    )
        .prop_map(
            |(stabilization_window_seconds, select_policy, policies)| ScalingRules {
                stabilization_window_seconds,
                select_policy,
                policies,
                tolerance: None,
            },
        )
}

fn behavior() -> impl Strategy<Value = Option<Behavior>> {
    let both = (option::of(rules()), option::of(rules()));
    option::of(both.prop_map(|(scale_up, scale_down)| {
        Behavior {
            scale_up,
            scale_down,
        }
        .with_defaults()
    }))
}

fn autoscaler(min: i32, max: i32, behavior: Option<Behavior>) -> HorizontalPodAutoscaler {
    let mut autoscaler = HorizontalPodAutoscaler::from_yaml(
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {
          scaleTargetRef: {kind: Deployment, name: a}, maxReplicas: 1,
          metrics: [{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 1}}}]}}",
    )
    .expect("an autoscaler");
    let spec = &mut autoscaler.spec;
    (spec.min_replicas, spec.max_replicas, spec.behavior) = (Some(min), max, behavior);
    autoscaler
}

/// So many ready pods, each with this value.
fn seen(replicas: i32, milli: i64) -> Observation {
    let names = (0..replicas).map(|at| format!("p{at}"));
    let value = |pod| PodValue {
        pod,
        value: Quantity::from_milli(milli),
    };
    Observation {
        target: Target::Scale(Scale {
            replicas,
            status_replicas: replicas,
            selector: "app=a".to_owned(),
        }),
        pods: names
            .clone()
            .map(|name| hpa::Pod {
                name,
                labels: [("app".to_owned(), "a".to_owned())].into(),
                phase: hpa::Phase::Running,
                ..hpa::Pod::default()
            })
            .collect(),
        metrics: vec![Reading::Pods(names.map(value).collect())],
        others: Vec::new(),
    }
}

/// A run of decisions: how much work there is at each, in thousandths of what one pod can do, and the seconds before it.
fn run(
    mut autoscaler: HorizontalPodAutoscaler,
    from: i32,
    loads: &[(i64, u64)],
    mut each: impl FnMut(i32, &Outcome, &State),
) {
    let (mut state, mut replicas, mut at) = (State::default(), from, now());
    for (load, seconds) in loads {
        at += Duration::from_secs(*seconds);
        let seen = seen(replicas, load / i64::from(replicas.max(1)));
        let outcome = Controller::default()
            .decide(&autoscaler, &mut state, &seen, at)
            .settle(&mut state, |_| Ok(()));
        each(replicas, &outcome, &state);
        replicas = outcome.status.desired_replicas;
        autoscaler.status = outcome.status;
    }
}

fn loads() -> impl Strategy<Value = Vec<(i64, u64)>> {
    vec((0..60_000_i64, 1..400_u64), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn replicas_never_leave_the_limits(min in 1..10, more in 0..50, from in 1..70, behavior in behavior(), loads in loads()) {
        let max = min + more;
        run(autoscaler(min, max, behavior), from, &loads, |before, outcome, _| {
            let after = outcome.status.desired_replicas;
            assert!((min..=max).contains(&after), "{before} to {after}");
        });
    }

    #[test]
    fn a_disabled_direction_is_never_taken_within_the_limits(up in any::<bool>(), loads in loads()) {
        let disabled = ScalingRules { select_policy: Some(SelectPolicy::Disabled), ..ScalingRules::default() };
        let behavior = if up {
            Behavior { scale_up: Some(disabled), scale_down: None }
        } else {
            Behavior { scale_up: None, scale_down: Some(disabled) }
        };
        run(autoscaler(1, 60, Some(behavior.with_defaults())), 30, &loads, |_, outcome, _| {
            assert_ne!(outcome.action, if up { Action::ScaleUp } else { Action::ScaleDown });
        });
    }

    #[test]
    fn what_is_taken_away_in_a_period_is_at_most_what_the_policy_allows(pods in 1..5, period in 30..600, loads in loads()) {
        let rules = ScalingRules {
            stabilization_window_seconds: Some(0),
            policies: Some(vec![ScalingPolicy { r#type: PolicyType::Pods, value: pods, period_seconds: period }]),
            ..ScalingRules::default()
        };
        let frozen = ScalingRules { select_policy: Some(SelectPolicy::Disabled), ..ScalingRules::default() };
        let behavior = Behavior { scale_up: Some(frozen), scale_down: Some(rules) }.with_defaults();
        let (mut at, mut taken) = (0, Vec::new());
        let mut steps = loads.iter();
        run(autoscaler(1, 60, Some(behavior)), 60, &loads, |before, outcome, _| {
            at += steps.next().map_or(0, |it| it.1);
            taken.push((at, before - outcome.status.desired_replicas));
            let since = at.saturating_sub(u64::try_from(period).unwrap_or(0));
            let recent: i32 = taken.iter().filter(|it| it.0 > since).map(|it| it.1).sum();
            assert!(recent <= pods, "{recent} in {period} s: {taken:?}");
        });
    }

    #[test]
    fn the_same_is_decided_from_the_same(from in 1..20, behavior in behavior(), loads in loads()) {
        let outcomes = || {
            let mut all = Vec::new();
            run(autoscaler(1, 40, behavior.clone()), from, &loads, |_, outcome, state| all.push((outcome.clone(), state.clone())));
            all
        };
        prop_assert_eq!(outcomes(), outcomes());
    }

    #[test]
    fn a_constant_load_comes_to_rest(from in 1..40, load in 1..30_000_i64) {
        // After five minutes of stabilization nothing moves any more: no flapping.
        let loads = vec![(load, 15); 60];
        let mut path = Vec::new();
        run(autoscaler(1, 40, None), from, &loads, |_, outcome, _| path.push(outcome.status.desired_replicas));
        let rest = &path[40..];
        prop_assert!(rest.iter().all(|it| *it == rest[0]), "{:?}", path);
    }

    #[test]
    fn more_load_never_asks_for_fewer(replicas in 1..30, a in 0..60_000_i64, b in 0..60_000_i64) {
        let asked = |milli: i64| {
            let mut state = State::default();
            let decision = Controller::default().decide(&autoscaler(1, 1000, None), &mut state, &seen(replicas, milli), now());
            decision.settle(&mut state, |_| Ok(())).status.desired_replicas
        };
        prop_assert!(asked(a.min(b)) <= asked(a.max(b)));
    }

    #[test]
    fn a_quantity_is_read_again_as_it_was_written(milli in any::<i64>()) {
        let quantity = Quantity::from_milli(milli);
        prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
        prop_assert_eq!(quantity.milli(), milli);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in ".{0,60}") {
        let _ = text.parse::<Quantity>();
        let _ = Selector::parse(&text);
        let _ = HorizontalPodAutoscaler::from_yaml(&text);
    }
}
