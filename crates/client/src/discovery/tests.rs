//! Replicas behind a name: found, balanced, followed, and not lost when the name server fails.

mod name_server;
mod replica;

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use chassis::Error;
use futures_util::future::join_all;
use hickory_resolver::proto::op::ResponseCode;
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::time::Instant;

use self::{
    name_server::{
        Answer::{self, Code, Records, Silence},
        NameServer,
    },
    replica::{Replica, call, request},
};
use super::*;
use crate::Upstream;

/// Longer than anything here takes, and shorter than an answer with [`LONG_TTL`] is trusted.
const SOON: Duration = Duration::from_secs(25);
const LONG_TTL: u32 = 3_600;

const ONE: [u8; 4] = [127, 0, 0, 1];
const OTHER: [u8; 4] = [127, 0, 0, 2];

fn records(addresses: &[[u8; 4]], ttl: u32) -> Answer {
    Records(addresses.iter().map(|it| IpAddr::from(*it)).collect(), ttl)
}

fn upstream(address: &Address) -> Upstream {
    Upstream::new("replicas", address, SOON)
}

/// Looks again and again until it is so.
async fn eventually(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn becomes(replicas: &Replicas, expected: &[[u8; 4]]) {
    let at = |it: &[u8; 4]| Known::from((*it, 80));
    let expected: Vec<Known> = expected.iter().map(at).collect();
    let what = format!("{expected:?}");
    eventually(&what, || **replicas.known() == *expected).await;
}

#[test]
fn an_address_says_what_a_call_may_cost() {
    let address: Address =
        "dns://catalog:80?timeout=1s&max_idle=16&resolver=[::1]:53&connect_timeout=5ms"
            .parse()
            .unwrap();
    assert_eq!(address.timeout, Some(Duration::from_secs(1)));
    assert_eq!(address.connect_timeout, Some(Duration::from_millis(5)));
    assert_eq!(address.max_idle, Some(16));
    let shown = address.to_string();
    assert_eq!(shown.parse(), Ok(address), "{shown}");
    let few = "http://127.0.0.1:80?bulkhead=8&breaker=off".parse::<Address>();
    let few = few.unwrap();
    assert_eq!(
        few.to_string(),
        "http://127.0.0.1:80?bulkhead=8&breaker=off"
    );
    let file: Address = "file:services.json?timeout=300ms".parse().unwrap();
    assert_eq!(file.to_string(), "file:services.json?timeout=300ms");
    assert_eq!(file.max_idle, None);
}

#[test]
fn what_an_address_cannot_say_is_refused_and_what_it_can_is_named() {
    for unknown in [
        "dns://catalog:80?tiemout=1s",
        "file:services.json?resolver=127.0.0.1:53",
        "http://127.0.0.1:80?retry=3",
    ] {
        let refused = unknown.parse::<Address>().unwrap_err();
        let known = ["timeout", "connect_timeout", "max_idle", "resolver"];
        for known in known.into_iter().chain(protections::NAMES) {
            assert!(refused.contains(known), "{refused}");
            assert!(ADDRESS_HELP.contains(known), "{known}");
        }
    }
    for bad in [
        "timeout=1",
        "timeout=0s",
        "timeout",
        "max_idle=-1",
        "connect_timeout=soon",
        "breaker=often",
    ] {
        let refused = format!("file:services.json?{bad}").parse::<Address>();
        let name = bad.split('=').next().unwrap();
        assert!(refused.unwrap_err().starts_with(name), "{bad}");
    }
}

#[test]
fn an_address_is_a_file_a_name_or_one_replica() {
    let fixed = Address::from(SocketAddr::from(([127, 0, 0, 1], 80)));
    let file = |path: &str| Address::from(Source::File(path.into()));
    for (text, address) in [
        ("file:a/b.json", file("a/b.json")),
        ("file:///a/b.json", file("/a/b.json")),
        ("http://127.0.0.1:80/", fixed),
    ] {
        assert_eq!(text.parse(), Ok(address), "{text}");
    }
    for name in [
        "dns://catalog:8080",
        "dns://catalog.shop.svc.cluster.local.:80",
        "dns://my_shop-1:80?resolver=[::1]:5353",
    ] {
        let address: Address = name.parse().unwrap();
        assert!(matches!(address.source, Source::Dns(_)));
        assert_eq!(address.to_string(), name);
    }
    let long = format!("dns://{}:80", "x".repeat(64));
    for bad in [
        "",
        "file:",
        "http://shop",
        "ftp://127.0.0.1:80",
        "dns:catalog:80",
        "dns://catalog",
        "dns://:80",
        "dns://catalog:65536",
        "dns://cata log:80",
        "dns://catalog:80/path",
        "dns://catalog:80?resolver=localhost",
        &long,
    ] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn records_are_followed_when_their_time_has_run_out() {
    let server = NameServer::start(records(&[ONE], 1)).await;
    let replicas = follow(&server.url(80).source, "replicas");
    becomes(&replicas, &[ONE]).await;
    server.say(records(&[OTHER, ONE], 1));
    becomes(&replicas, &[ONE, OTHER]).await;
    server.say(records(&[OTHER], 1));
    becomes(&replicas, &[OTHER]).await;
}

#[tokio::test]
async fn a_record_without_time_to_live_is_not_asked_for_without_end() {
    let server = NameServer::start(records(&[ONE], 0)).await;
    let start = Instant::now();
    let _replicas = follow(&server.url(80).source, "replicas");
    eventually("three lookups", || server.asked() >= 3).await;
    assert!(start.elapsed() >= Duration::from_secs(2), "in two seconds");
}

#[tokio::test]
async fn a_name_without_an_a_record_has_replicas_at_its_aaaa_records() {
    let both = vec![IpAddr::from(ONE), Ipv6Addr::LOCALHOST.into()];
    let server = NameServer::start(Records(both, 1)).await;
    let replicas = follow(&server.url(80).source, "replicas");
    becomes(&replicas, &[ONE]).await;
    server.say(Records(vec![Ipv6Addr::LOCALHOST.into()], 1));
    let expected = [Known::from(SocketAddr::from((Ipv6Addr::LOCALHOST, 80)))];
    eventually("::1", || **replicas.known() == expected).await;
}

#[tokio::test]
async fn a_failed_lookup_or_an_empty_answer_keeps_what_is_known_and_is_counted() {
    let cases = [
        (Code(ResponseCode::ServFail), "server_failure"),
        (Code(ResponseCode::NXDomain), "host_not_found"),
        (Code(ResponseCode::NoError), "no_records"),
        (Silence, "timeout"),
    ];
    join_all(cases.map(async |(failure, error)| {
        let server = NameServer::start(records(&[ONE, OTHER], 1)).await;
        let replicas = follow(&server.url(80).source, "replicas");
        becomes(&replicas, &[ONE, OTHER]).await;
        server.say(failure);
        // With the second, whatever the first led to has happened.
        eventually(error, || lookups(&server.name, error) >= 2).await;
        let known = [ONE, OTHER].map(|it| Known::from((it, 80)));
        assert_eq!(**replicas.known(), known, "{error}");
        server.say(records(&[OTHER], LONG_TTL));
        becomes(&replicas, &[OTHER]).await;
    }))
    .await;
}

/// How many lookups of `name` have ended so.
fn lookups(name: &str, error: &str) -> u32 {
    let (mut registry, mut text) = (Registry::default(), String::new());
    registry.register("lookups", "Lookups", dns::LOOKUPS.clone());
    encode(&mut text, &registry).unwrap();
    let sample = format!("lookups_count{{dns_question_name=\"{name}\",error_type=\"{error}\"}} ");
    let count = text.lines().find_map(|it| it.strip_prefix(&sample));
    count.map_or(0, |it| it.parse().unwrap())
}

#[tokio::test]
async fn a_name_that_appears_late_makes_its_callers_ready() {
    let server = NameServer::start(Code(ResponseCode::NXDomain)).await;
    let replica = Replica::start(([127, 0, 0, 1], 0)).await;
    let upstream = upstream(&server.url(replica.address.port()));
    eventually("a lookup", || server.asked() > 0).await;
    let unknown = upstream.discovered().unwrap_err();
    assert_eq!(unknown, "no known replica of replicas");
    let refused = request(&upstream).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable("replicas")));
    let refused = call(&upstream).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    server.say(records(&[ONE], LONG_TTL));
    eventually("ready", || upstream.discovered().is_ok()).await;
    request(&upstream).await.unwrap();
    call(&upstream).await.unwrap();
    assert_eq!(replica.had(), 2);
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "needs 127.0.0.2, which is there by itself only on Linux"
)]
async fn requests_and_calls_are_shared_by_all_addresses_of_a_name() {
    let one = Replica::start((ONE, 0)).await;
    let port = one.address.port();
    let other = Replica::start((OTHER, port)).await;
    let server = NameServer::start(records(&[ONE, OTHER], LONG_TTL)).await;
    let upstream = upstream(&server.url(port));
    eventually("found", || upstream.discovered().is_ok()).await;
    for protocol in ["HTTP", "gRPC"] {
        for _ in 0..400 {
            match protocol {
                "HTTP" => request(&upstream).await.unwrap(),
                _ => call(&upstream).await.unwrap(),
            }
        }
        let had = (one.had(), other.had());
        assert_eq!(had.0 + had.1, 400, "{protocol}");
        // Six standard deviations.
        assert!((140..=260).contains(&had.0), "{protocol}: {had:?}");
    }
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "needs 127.0.0.2, which is there by itself only on Linux"
)]
async fn a_refused_connection_is_a_reason_to_look_the_name_up_before_its_time() {
    for protocol in ["HTTP", "gRPC"] {
        let replica = Replica::start((OTHER, 0)).await;
        // Nobody listens on this port of the first address.
        let server = NameServer::start(records(&[ONE], LONG_TTL)).await;
        let upstream = upstream(&server.url(replica.address.port()));
        eventually("found", || upstream.discovered().is_ok()).await;
        server.say(records(&[OTHER], LONG_TTL));
        let start = Instant::now();
        loop {
            let answered = match protocol {
                "HTTP" => request(&upstream).await.is_ok(),
                _ => call(&upstream).await.is_ok(),
            };
            if answered {
                break;
            }
            assert!(start.elapsed() < SOON, "{protocol}: it was not found");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (asked, took) = (server.asked(), start.elapsed());
        assert_eq!(replica.had(), 1);
        let most = 2 + u32::try_from(took.as_secs()).unwrap();
        assert!(
            asked <= most,
            "{asked} lookups in {took:?}, however many connections failed"
        );
    }
}
