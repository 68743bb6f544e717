//! Each check, with what it must notice.

use std::sync::Arc;

use super::*;
use crate::{
    deployment::{Make, Service, Track},
    evidence::{Scrape, metrics::Exposition, otlp::Resource},
};

const NEW: &str = "next";

fn presence(service: Service, number: u32, version: Option<&'static str>) -> Presence {
    let old = version.is_none();
    Presence {
        service,
        instance: format!("{service}-{number}.1"),
        make: Make {
            version,
            track: Track::Stable,
        },
        started: if old { -5.0 } else { 3.0 },
        ready: Some(if old { -4.0 } else { 4.0 }),
        left: old.then_some(4.5),
        ended: old.then_some(5.0),
    }
}

/// One replica of each service, replaced.
fn all_replaced() -> Replicas {
    let both = |it| [presence(it, 1, None), presence(it, 2, Some(NEW))];
    Replicas {
        presences: SERVICES.into_iter().flat_map(both).collect(),
        decisions: Vec::new(),
    }
}

fn wrong(change: impl FnOnce(&mut Vec<Presence>)) -> Vec<String> {
    let mut replicas = all_replaced();
    change(&mut replicas.presences);
    not_replaced(&replicas, NEW, 10.0)
}

#[test]
fn replaced_is_what_has_one_of_the_new_for_each_of_the_old_and_none_of_those() {
    assert_eq!(wrong(|_| ()), [""; 0]);
    let stayed = wrong(|it| it[0].ended = None);
    assert_eq!(stayed, ["catalog-1.1: had not ended"]);
    let late = wrong(|it| it[0].ended = Some(11.0));
    assert_eq!(late, ["catalog-1.1: had not ended"]);
    let missing = wrong(|it| _ = it.remove(1));
    assert_eq!(missing, ["catalog: 0 of next, 1 before"]);
}

fn span(instance: &str, version: &str) -> Span {
    let attributes = [(SERVICE_INSTANCE_ID, instance), (SERVICE_VERSION, version)];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Span {
        resource: Arc::new(Resource {
            attributes: attributes.into(),
            ..Resource::default()
        }),
        ..Span::default()
    }
}

#[test]
fn a_version_is_what_the_process_was_started_as() {
    let presences = all_replaced().presences;
    let own = env!("CARGO_PKG_VERSION");
    let judged = |spans: &[Span]| told_versions(spans.iter(), &presences);
    let right = [span("users-1.1", own), span("users-2.1", NEW)];
    assert_eq!(judged(&right).outcome, Outcome::Pass);
    assert_eq!(judged(&[]).outcome, Outcome::Fail, "nobody said anything");
    for mixed in [
        span("users-2.1", own),
        span("users-1.1", NEW),
        span("users-9.1", NEW),
    ] {
        let check = judged(&[right[0].clone(), mixed]);
        assert_eq!(check.outcome, Outcome::Fail);
        assert_eq!(check.details.len(), 1, "{check:?}");
    }
}

#[test]
fn a_failure_counts_even_if_trying_again_has_hidden_it() {
    let name = names::HTTP_CLIENT_REQUEST_DURATION;
    let scrape = |text: &str| Scrape {
        exposition: Exposition::parse(text).unwrap(),
        ..Scrape::of_nothing(std::time::SystemTime::UNIX_EPOCH)
    };
    let after = format!(
        "{name}_count{{server_address=\"catalog\",error_type=\"\"}} 90\n\
         {name}_count{{server_address=\"catalog\",error_type=\"404\"}} 4\n\
         {name}_count{{server_address=\"catalog\",error_type=\"io\"}} 3\n\
         {}{{server_address=\"catalog\",error_type=\"no_replica\"}} 1\n",
        names::CLIENT_CALLS_REJECTED
    );
    let before = format!("{name}_count{{server_address=\"catalog\",error_type=\"io\"}} 1\n");
    let testimony = Testimony {
        scrapes: vec![vec![scrape(&before), scrape(&after)]],
        ..Testimony::default()
    };
    let evidence = Evidence::from([(Service::Gateway, testimony)]);
    let (attempts, failed) = between_services(&evidence);
    assert!((attempts - 96.0).abs() < 1e-9);
    let failed: Vec<_> = failed.iter().map(|it| (it.0.as_str(), *it.1)).collect();
    assert_eq!(
        failed,
        [
            ("gateway to catalog: io", 2.0),
            ("gateway: no_replica", 1.0)
        ]
    );
}
