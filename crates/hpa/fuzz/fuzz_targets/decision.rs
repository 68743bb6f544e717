//! Whatever numbers an autoscaler is given, it decides without a panic, and a valid one stays within its limits.
//!
//! The input is cut into numbers, of which each fills one field; where there are no more, fields are zero.

#![no_main]

use std::time::{Duration, SystemTime};

use hpa::{
    Behavior, ConditionStatus, Controller, GrowthLimit, HorizontalPodAutoscaler, MetricIdentifier,
    MetricSpec, MetricTarget, Observation, Phase, Pod, PodValue, PodsMetric, PolicyType, Quantity,
    Readiness, Reading, Recommendation, Scale, ScaleEvent, ScalingPolicy, ScalingRules,
    SelectPolicy, State, Target,
};
use libfuzzer_sys::fuzz_target;

struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn long(&mut self) -> i64 {
        let mut bytes = [0; 8];
        let count = self.0.len().min(8);
        let (head, rest) = self.0.split_at(count);
        bytes[..count].copy_from_slice(head);
        self.0 = rest;
        i64::from_le_bytes(bytes)
    }

    /// Small numbers more often than great ones.
    fn int(&mut self) -> i32 {
        let it = self.long();
        if it & 1 == 0 {
            (it >> 1) as i8 as i32
        } else {
            (it >> 1) as i32
        }
    }

    fn pick(&mut self, count: usize) -> usize {
        self.long().unsigned_abs() as usize % count
    }

    fn time(&mut self) -> SystemTime {
        let offset = Duration::from_secs(u64::from(self.int().unsigned_abs()) % 10_000);
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) - offset
    }

    fn rules(&mut self) -> ScalingRules {
        let policies = (0..self.pick(3)).map(|_| ScalingPolicy {
            r#type: [PolicyType::Pods, PolicyType::Percent][self.pick(2)],
            value: self.int(),
            period_seconds: self.int(),
        });
        ScalingRules {
            policies: Some(policies.collect()),
            stabilization_window_seconds: Some(self.int()),
            select_policy: Some(
                [SelectPolicy::Max, SelectPolicy::Min, SelectPolicy::Disabled][self.pick(3)],
            ),
            tolerance: (self.pick(2) == 1).then(|| Quantity::from_milli(self.long())),
        }
    }

    fn autoscaler(&mut self) -> HorizontalPodAutoscaler {
        let mut it = HorizontalPodAutoscaler {
            api_version: "autoscaling/v2".to_owned(),
            kind: "HorizontalPodAutoscaler".to_owned(),
            ..HorizontalPodAutoscaler::default()
        };
        it.metadata.name = "a".to_owned();
        it.spec.scale_target_ref.kind = "Deployment".to_owned();
        it.spec.scale_target_ref.name = "a".to_owned();
        it.spec.min_replicas = Some(self.int());
        it.spec.max_replicas = self.int();
        it.spec.metrics = vec![MetricSpec {
            r#type: "Pods".to_owned(),
            pods: Some(PodsMetric {
                metric: MetricIdentifier {
                    name: "m".to_owned(),
                    selector: None,
                },
                target: MetricTarget {
                    r#type: "AverageValue".to_owned(),
                    average_value: Some(Quantity::from_milli(self.long())),
                    ..MetricTarget::default()
                },
            }),
            ..MetricSpec::default()
        }];
        if self.pick(2) == 1 {
            it.spec.behavior = Some(Behavior {
                scale_up: Some(self.rules()),
                scale_down: Some(self.rules()),
            });
        }
        it
    }

    fn seen(&mut self) -> Observation {
        let replicas = self.int();
        let count = self.pick(6);
        let pods = (0..count).map(|at| Pod {
            name: format!("p{at}"),
            labels: [("app".to_owned(), "a".to_owned())].into(),
            phase: [Phase::Running, Phase::Pending, Phase::Failed][self.pick(3)],
            start_time: Some(self.time()),
            deletion_timestamp: (self.pick(8) == 1).then_some(SystemTime::UNIX_EPOCH),
            ready: Some(Readiness {
                status: [ConditionStatus::True, ConditionStatus::False][self.pick(2)],
                last_transition_time: Some(self.time()),
            }),
            ..Pod::default()
        });
        let pods = pods.collect();
        let values = (0..self.pick(6)).map(|at| PodValue {
            pod: format!("p{at}"),
            value: Quantity::from_milli(self.long()),
        });
        Observation {
            metrics: vec![Reading::Pods(values.collect())],
            target: Target::Scale(Scale {
                replicas,
                status_replicas: self.int(),
                selector: "app=a".to_owned(),
            }),
            pods,
            others: Vec::new(),
        }
    }

    fn state(&mut self) -> State {
        let recommendations = (0..self.pick(4)).map(|_| Recommendation {
            replicas: self.int(),
            timestamp: self.time(),
        });
        let recommendations = Some(recommendations.collect());
        let mut events = || {
            let events = (0..self.pick(4)).map(|_| ScaleEvent {
                change: self.int(),
                timestamp: self.time(),
                outdated: false,
            });
            events.collect()
        };
        State {
            recommendations,
            scale_up_events: events(),
            scale_down_events: events(),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut numbers = Numbers(bytes);
    let (autoscaler, seen, mut state) = (numbers.autoscaler(), numbers.seen(), numbers.state());
    let controller = Controller {
        growth_limit: GrowthLimit {
            factor: f64::from(numbers.int()),
            minimum: f64::from(numbers.int()),
        },
        ..Controller::default()
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut changed = None;
    let outcome = controller
        .decide(&autoscaler, &mut state, &seen, now)
        .settle(&mut state, |replicas| {
            changed = Some(replicas);
            Ok(())
        });
    assert!(!outcome.explanation.is_empty());
    let positive = controller.growth_limit.minimum >= 1.0
        && state.scale_up_events.iter().all(|it| it.change >= 0);
    if let Some(replicas) = changed
        && positive
        && autoscaler.validate().is_empty()
    {
        assert!(replicas <= autoscaler.spec.max_replicas, "{replicas}");
    }
});
