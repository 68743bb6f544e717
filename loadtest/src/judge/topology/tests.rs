use std::{collections::HashMap, time::Duration};

use telemetry::attributes;

use super::{blast, hops};
use crate::{
    engine::Attempt,
    evidence::otlp::{Kind, Span},
    measurement::PhaseTime,
};

fn attempt(route: &str, at_s: i64, error: Option<&str>) -> Attempt {
    Attempt {
        id: String::new(),
        phase: 0,
        route: route.to_owned(),
        intended_us: at_s * 1_000_000,
        sent_us: at_s * 1_000_000,
        done_us: at_s * 1_000_000 + 1_000,
        status: None,
        error: error.map(str::to_owned),
        order: None,
        product: None,
    }
}

#[test]
fn a_route_dies_when_a_tenth_of_what_is_due_meanwhile_fails_and_no_fewer_than_three() {
    let phase = PhaseTime {
        name: "kill".into(),
        from: Duration::from_secs(10),
        to: Duration::from_secs(20),
    };
    let fails = |route, failed: usize, of: usize| {
        (0..of).map(move |it| attempt(route, 15, (it < failed).then_some("502")))
    };
    let mut attempts: Vec<_> = fails("all", 30, 30).collect();
    attempts.extend(fails("some", 3, 30));
    attempts.extend(fails("few", 2, 4));
    attempts.extend(fails("noise", 3, 31));
    attempts.extend((0..9).map(|_| attempt("before", 5, Some("502"))));
    let fates = blast::of(&attempts, &phase);
    let dead = |route: &str| fates.get(route).map(|it| blast::dies(*it));
    assert_eq!(dead("all"), Some(true));
    assert_eq!(dead("some"), Some(true));
    assert_eq!(dead("few"), Some(false));
    assert_eq!(dead("noise"), Some(false));
    assert_eq!(dead("before"), None, "it is of another phase");
}

#[test]
fn a_hop_is_a_call_to_an_address_and_a_query_is_none() {
    let span = |id: &str, of: &[(&str, &str)]| {
        let request = (attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID, id);
        let all = of.iter().chain([&request]);
        Span {
            kind: Kind::Client,
            attributes: all
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Span::default()
        }
    };
    let catalog = (attributes::SERVER_ADDRESS, "catalog");
    let sizes = [
        (attributes::HTTP_REQUEST_BODY_SIZE, "20"),
        (attributes::HTTP_RESPONSE_BODY_SIZE, "300"),
    ];
    let spans = [
        span(
            "a",
            &[
                catalog,
                (attributes::SERVER_PORT, "4711"),
                sizes[0],
                sizes[1],
            ],
        ),
        span("a", &[catalog, sizes[0], sizes[1]]),
        span("a", &[(attributes::DB_SYSTEM_NAME, "sqlite")]),
        span("nobody's", &[catalog, (attributes::SERVER_PORT, "4711")]),
    ];
    let routes = HashMap::from([("a", "GET /products"), ("b", "GET /products")]);
    let all = hops::count(&routes, spans.iter());
    let hops = all["GET /products"];
    assert_eq!(
        (hops.requests, hops.calls, hops.remote, hops.bytes),
        (2, 2, 1, 320)
    );
    assert!((hops.remote_each() - 0.5).abs() < f64::EPSILON);
}
