//! The deployment as Kubernetes' controller would see it: replicas are pods, and what they used is what the metrics APIs answer.

use std::time::Duration;

use hpa::{
    ConditionStatus, Container, ContainerUsage, HorizontalPodAutoscaler, MetricSpec, Observation,
    Phase, Pod, PodUsage, PodValue, Quantity, Readiness, Reading, Scale, Target,
};

use super::{
    clock::Clock,
    sampler::{Sampler, Usage},
};
use crate::deployment::Life;

/// The label that names a pod's service, as in a cluster.
const NAME: &str = "app.kubernetes.io/name";
/// Requests at a replica, on average.
const IN_FLIGHT: &str = "http_server_requests_in_flight";
/// Requests that a replica answers.
const PER_SECOND: &str = "http_server_requests_per_second";

/// What is seen of the replicas of one service, of whose processes `lives` has those that have not ended.
pub(super) fn of(
    object: &HorizontalPodAutoscaler,
    lives: &[Life],
    told: u32,
    sampler: &Sampler,
    clock: &Clock,
) -> Observation {
    let name = &object.spec.scale_target_ref.name;
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let stay = lives.iter().filter(|it| it.left.is_none());
    let used: Vec<_> = stay
        .filter_map(|it| Some((it.instance(), sampler.usage(&it.instance())?)))
        .collect();
    Observation {
        target: Target::Scale(Scale {
            replicas: i32::try_from(told).unwrap_or(i32::MAX),
            status_replicas: count(lives.iter().filter(|it| it.left.is_none()).count()),
            selector: format!("{NAME}={name}"),
        }),
        pods: lives.iter().map(|it| pod(it, name, clock)).collect(),
        metrics: object
            .spec
            .metrics
            .iter()
            .map(|it| reading(it, &used, name, clock))
            .collect(),
        others: Vec::new(),
    }
}

fn pod(life: &Life, name: &str, clock: &Clock) -> Pod {
    let ready = life.ready.map(|it| clock.time_of(it));
    Pod {
        name: life.instance(),
        labels: [(NAME.to_owned(), name.to_owned())].into(),
        phase: Phase::Running,
        start_time: Some(clock.time_of(life.started)),
        deletion_timestamp: life.left.map(|it| clock.time_of(it)),
        ready: Some(Readiness {
            status: match ready {
                Some(_) => ConditionStatus::True,
                None => ConditionStatus::False,
            },
            last_transition_time: ready.or(Some(clock.time_of(life.started))),
        }),
        containers: vec![Container {
            name: name.to_owned(),
            ..Container::default()
        }],
        ..Pod::default()
    }
}

/// What the metrics API answers for one metric of the specification.
fn reading(metric: &MetricSpec, used: &[(String, Usage)], name: &str, clock: &Clock) -> Reading {
    let resource = metric.resource.as_ref().map(|it| it.name.as_str());
    let pods = metric.pods.as_ref().map(|it| it.metric.name.as_str());
    match (resource, pods) {
        (Some("cpu" | "memory"), _) => {
            let usage = |(pod, usage): &(String, Usage)| usage_of(pod, usage, name, clock);
            Reading::Resource(used.iter().map(usage).collect())
        }
        (_, Some(IN_FLIGHT)) => values(used, |it| it.requests_in_flight),
        (_, Some(PER_SECOND)) => values(used, |it| it.requests_per_second),
        _ => Reading::Failed(format!(
            "only the resources cpu and memory and the pods' metrics {IN_FLIGHT} and {PER_SECOND} are measured here"
        )),
    }
}

fn values(used: &[(String, Usage)], of: fn(&Usage) -> f64) -> Reading {
    let value = |(pod, usage): &(String, Usage)| PodValue {
        pod: pod.clone(),
        value: thousandths(of(usage)),
    };
    Reading::Pods(used.iter().map(value).collect())
}

fn usage_of(pod: &str, usage: &Usage, name: &str, clock: &Clock) -> PodUsage {
    let resources = [
        ("cpu".to_owned(), thousandths(usage.cpu)),
        ("memory".to_owned(), thousandths(usage.memory_bytes)),
    ];
    PodUsage {
        pod: pod.to_owned(),
        timestamp: clock.time_of(usage.to),
        // Whole seconds, as the API has it.
        window: Duration::from_secs(clock.scaled(usage.to - usage.from).as_secs()),
        containers: vec![ContainerUsage {
            name: name.to_owned(),
            usage: resources.into(),
        }],
    }
}

fn thousandths(value: f64) -> Quantity {
    let text = format!("{:.0}m", (value * 1000.0).max(0.0));
    text.parse().expect("a whole number of thousandths")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{super::sampler, *};
    use crate::{
        autoscaler::Settings,
        deployment::{Make, Service},
    };

    fn life(number: u32) -> Life {
        let now = Instant::now();
        Life {
            service: Service::Search,
            number,
            start: 1,
            make: Make::default(),
            started: now,
            ready: Some(now),
            left: None,
            ended: None,
        }
    }

    /// What the controller makes of these lives, where each served so many requests of half a second in a second.
    fn asked_for(lives: &[Life], rates: &[(&str, f64)]) -> (i32, String) {
        let settings = Settings::of_search(1.0).unwrap();
        let told = lives.iter().filter(|it| it.left.is_none()).count();
        let clock = Clock::start(1.0);
        let sampler = sampler::tests::after(4, rates);
        let told = u32::try_from(told).unwrap();
        let seen = of(&settings.object, lives, told, &sampler, &clock);
        let mut state = hpa::State::default();
        let now = clock.time_of(Instant::now());
        let decided = hpa::Controller::default().decide(&settings.object, &mut state, &seen, now);
        let outcome = decided.settle(&mut state, |_| Ok(()));
        (outcome.status.desired_replicas, outcome.explanation)
    }

    #[test]
    fn the_controller_scales_by_requests_in_flight() {
        let two = [life(1), life(2)];
        let (replicas, why) = asked_for(&two, &[("search-1.1", 8.0), ("search-2.1", 6.0)]);
        assert_eq!(replicas, 4, "{why}");
        assert_eq!(
            why,
            "takes Deployment/default/search from 2 to 4 replicas: pods metric http_server_requests_in_flight is at 1.75 of its target and asks for 4"
        );
        let (replicas, why) = asked_for(&two, &[("search-1.1", 4.0), ("search-2.1", 4.0)]);
        assert_eq!(replicas, 2, "{why}");
    }

    #[test]
    fn a_replica_that_starts_has_no_sample_and_one_that_drains_does_not_count() {
        let starts = Life {
            ready: None,
            ..life(3)
        };
        let drains = Life {
            left: Some(Instant::now()),
            ..life(4)
        };
        let lives = [life(1), life(2), starts, drains];
        let rates = [
            ("search-1.1", 8.0),
            ("search-2.1", 8.0),
            ("search-4.1", 400.0),
        ];
        // Two are at twice their target, and the one that starts is taken to use nothing: ceil(8 / 2).
        let (replicas, why) = asked_for(&lives, &rates);
        assert_eq!(replicas, 4, "{why}");
    }

    #[test]
    fn a_metric_that_is_not_measured_here_is_told_and_changes_nothing() {
        let mut settings = Settings::of_search(1.0).unwrap();
        let pods = settings.object.spec.metrics[0].pods.as_mut().unwrap();
        "queue_length".clone_into(&mut pods.metric.name);
        let clock = Clock::start(1.0);
        let sampler = sampler::tests::after(4, &[]);
        let seen = of(&settings.object, &[life(1)], 1, &sampler, &clock);
        let Reading::Failed(why) = &seen.metrics[0] else {
            panic!("{:?}", seen.metrics)
        };
        assert!(why.contains("are measured here"));
    }
}
