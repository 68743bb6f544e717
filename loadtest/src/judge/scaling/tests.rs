//! Each check, with what it must notice.

use super::*;
use crate::{deployment::Make, evidence::metrics::Exposition, measurement::Presence};

fn presence(service: Service, started: f64, left: Option<f64>) -> Presence {
    Presence {
        service,
        instance: format!("{service}-1.1"),
        make: Make::default(),
        started,
        ready: Some(started + 0.5),
        left,
        ended: left.map(|it| it + 0.5),
    }
}

fn replicas(presences: Vec<Presence>) -> Replicas {
    Replicas {
        presences,
        decisions: Vec::new(),
    }
}

#[test]
fn a_replica_of_another_service_is_noticed() {
    let search = presence(Service::Search, 5.0, Some(9.0));
    let catalog = presence(Service::Catalog, -3.0, None);
    let check = |it: Vec<Presence>| others(&replicas(it), Service::Search, 20.0);
    let fine = check(vec![search.clone(), catalog.clone()]);
    assert_eq!(fine.outcome, Outcome::Pass);
    assert_eq!(fine.name, "only search was scaled");
    let one_more = presence(Service::Catalog, 5.0, None);
    let check_of_more = check(vec![search, catalog.clone(), one_more]);
    assert_eq!(check_of_more.outcome, Outcome::Fail);
    let one_less = Presence {
        left: Some(7.0),
        ..catalog
    };
    let check_of_less = check(vec![one_less]);
    assert_eq!(
        check_of_less.details,
        ["catalog-1.1: taken away under load"]
    );
}

#[test]
fn going_before_the_window_is_over_is_hasty_whichever_way_the_load_changed() {
    let judge = |times: &[f64]| {
        let gone: Vec<_> = times
            .iter()
            .map(|it| (*it, "search 6 to 3".into()))
            .collect();
        hasty("window", &gone, [5.0, 20.0], 6.0, 0.5).outcome
    };
    assert_eq!(judge(&[26.0, 28.0]), Outcome::Pass);
    assert_eq!(
        judge(&[25.6]),
        Outcome::Pass,
        "the load was seen half a second before it fell"
    );
    assert_eq!(judge(&[24.0]), Outcome::Fail);
    assert_eq!(
        judge(&[9.0, 26.0]),
        Outcome::Fail,
        "the load had just risen"
    );
    assert_eq!(judge(&[15.0, 26.0]), Outcome::Pass);
    assert_eq!(
        judge(&[15.0]),
        Outcome::Fail,
        "none went after the load had fallen"
    );
    assert_eq!(judge(&[]), Outcome::Fail);
}

/// A replica that is scraped every second from `from` on, and answers so many requests in each.
fn scraped(from: u64, to: u64, rate: f64) -> Vec<Scrape> {
    let scrape = |second: u64| {
        let count = to_f64(second - from) * rate;
        let text = format!("http_server_request_duration_seconds_count {count}");
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000 + second);
        Scrape {
            asked: at,
            answered: at,
            exposition: Exposition::parse(&text).unwrap(),
            usage: None,
        }
    };
    (from..=to).map(scrape).collect()
}

#[test]
fn a_share_is_fair_by_who_was_warm_at_the_time() {
    let testimony = |scrapes| Testimony {
        scrapes,
        ..Testimony::default()
    };
    // Two take 30 each, and from 12 s on, when the third is warm, all take 20.
    let even = |from, rate: f64| scraped(from, 40, rate);
    let shares = shares_of(&testimony(vec![
        even(0, 20.0),
        even(0, 20.0),
        even(10, 20.0),
    ]));
    for (took, fair) in &shares {
        assert!((took / fair - 1.0).abs() < 1e-9, "{shares:?}");
    }
    assert!((shares[0].0 - 800.0).abs() < 1e-6);
    assert!(
        (shares[2].0 - 28.0 * 20.0).abs() < 1e-6,
        "two seconds to warm up"
    );
    let shares = shares_of(&testimony(vec![
        even(0, 40.0),
        even(0, 10.0),
        even(0, 10.0),
    ]));
    let off: Vec<_> = shares.iter().map(|(took, fair)| took / fair).collect();
    assert!(
        (off[0] - 2.0).abs() < 1e-9 && (off[1] - 0.5).abs() < 1e-9,
        "{off:?}"
    );
}

#[test]
fn a_replica_costs_from_its_start_to_its_end() {
    let short = presence(Service::Search, 5.0, Some(9.0));
    assert!((short.seconds_within(0.0, 20.0) - 4.5).abs() < 1e-9);
    let long = presence(Service::Search, -5.0, None);
    assert!((long.seconds_within(0.0, 20.0) - 20.0).abs() < 1e-9);
    assert!(!long.takes_requests(-4.8) && long.takes_requests(0.0));
    assert!(!short.takes_requests(9.0));
}
