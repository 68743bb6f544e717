//! How many replicas there were, over time.

use super::document::ReplicaChart;
use crate::{
    deployment::{SERVICES, Service},
    measurement::Replicas,
};

/// A chart for each service that had more than one replica, or an autoscaler, in `length` seconds of load.
pub(super) fn charts(replicas: &Replicas, length: f64) -> Vec<ReplicaChart> {
    let chart = |service: &Service| of(replicas, *service, length);
    SERVICES.iter().filter_map(chart).collect()
}

fn of(replicas: &Replicas, service: Service, length: f64) -> Option<ReplicaChart> {
    let count = |at: f64| {
        let ready = replicas
            .of_service(service)
            .filter(|it| it.takes_requests(at));
        ready.fold(0.0, |count, _| count + 1.0)
    };
    let changes = replicas
        .of_service(service)
        .flat_map(|it| [it.ready, it.left]);
    let mut times: Vec<_> = changes
        .flatten()
        .filter(|it| (0.0..length).contains(it))
        .collect();
    times.extend([0.0, length]);
    times.sort_by(f64::total_cmp);
    let ready: Vec<_> = times.into_iter().map(|it| (it, count(it))).collect();
    let own = || {
        let decided = replicas.decisions.iter();
        decided.filter(move |it| it.decision.service == service)
    };
    let several = ready.iter().any(|it| it.1 > 1.0);
    if !several && own().next().is_none() {
        return None;
    }
    let mut desired: Vec<_> = own()
        .map(|it| (it.at, it.decision.desired.into()))
        .collect();
    if let Some(&(_, last)) = desired.last() {
        desired.push((length, last));
    }
    Some(ReplicaChart {
        service: service.to_string(),
        desired,
        ready,
        in_flight: own()
            .filter_map(|it| Some((it.at, it.decision.in_flight?)))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{deployment::Make, measurement::Presence};

    #[test]
    fn a_replica_counts_from_when_it_is_found_until_it_is_taken_away() {
        let presence = |ready, left| Presence {
            service: Service::Search,
            instance: "search-1.1".into(),
            make: Make::default(),
            started: ready - 1.0,
            ready: Some(ready),
            left,
            ended: None,
        };
        let replicas = Replicas {
            presences: vec![presence(-5.0, None), presence(3.0, Some(7.0))],
            decisions: Vec::new(),
        };
        let [chart] = &charts(&replicas, 10.0)[..] else {
            panic!("expected search alone")
        };
        let expected = [(0.0, 1.0), (3.0, 2.0), (7.0, 1.0), (10.0, 1.0)];
        assert_eq!(chart.ready, expected);
        assert_eq!(chart.service, "search");
    }
}
