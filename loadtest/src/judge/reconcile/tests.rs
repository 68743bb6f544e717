use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use telemetry::{attributes, names};

use super::*;
use crate::deployment::Service;
use crate::evidence::{
    Operation, Scrape, Testimony,
    access_lines::AccessLine,
    log_lines::Lines,
    metrics::Exposition,
    otlp::{Kind, Span},
    written::Written,
};
use crate::verdict::Outcome;

/// A shop that served `count` product pages, each with one call to the catalogue; every signal is there.
struct Shop {
    attempts: Vec<Attempt>,
    evidence: Evidence,
}

fn at(index: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + index * 20)
}

fn duration_ns(index: u64) -> u64 {
    1_000_000 + index * 7919
}

fn span(service: Service, kind: Kind, index: u64, attributes: &[(&str, &str)]) -> Span {
    let end = at(index).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let end_ns = u64::try_from(end.as_nanos()).unwrap();
    let id = format!("r-{index}");
    let own = [(attributes::HTTP_REQUEST_HEADER_X_REQUEST_ID, id.as_str())];
    let attributes = attributes.iter().chain(&own);
    Span {
        trace_id: format!("t{index}"),
        id: format!("{service}{kind:?}{index}"),
        parent_id: String::new(),
        service: service.to_string(),
        name: String::new(),
        kind,
        start_ns: end_ns - duration_ns(index),
        end_ns,
        failed: false,
        attributes: attributes
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Span::default()
    }
}

fn testimony(service: Service, count: u64) -> Testimony {
    let operation = Operation {
        name: "GET /products/{id}".into(),
        status: "200".into(),
    };
    let served = [
        (attributes::HTTP_REQUEST_METHOD, "GET"),
        (attributes::HTTP_ROUTE, "/products/{id}"),
        (attributes::HTTP_RESPONSE_STATUS_CODE, "200"),
    ];
    let access = (0..count).map(|it| AccessLine {
        request_id: format!("r-{it}"),
        trace_id: format!("t{it}"),
        span_id: format!("{service}Server{it}"),
        operation: operation.clone(),
        status: 200,
        error_type: String::new(),
        ended: at(it),
        duration_ns: duration_ns(it),
        written: Written::default(),
    });
    Testimony {
        scrapes: Vec::new(),
        lines: Lines {
            access: access.collect(),
            ..Lines::default()
        },
        processes: BTreeMap::new(),
        spans: (0..count)
            .map(|it| span(service, Kind::Server, it, &served))
            .collect(),
    }
}

/// Two scrapes, before and after, of the given (name, labels, requests).
fn scrapes(series: &[(&str, &str, Vec<u64>)]) -> Vec<Vec<Scrape>> {
    let mut text = String::new();
    for (name, labels, requests) in series {
        use std::fmt::Write as _;
        let sum: f64 = requests
            .iter()
            .map(|&it| Duration::from_nanos(duration_ns(it)).as_secs_f64())
            .sum();
        writeln!(text, "{name}_count{{{labels}}} {}", requests.len()).unwrap();
        writeln!(text, "{name}_sum{{{labels}}} {sum}").unwrap();
    }
    let scrape = |at: SystemTime, text: &str| Scrape {
        asked: at,
        answered: at,
        exposition: Exposition::parse(text).unwrap(),
        usage: None,
    };
    let before = SystemTime::UNIX_EPOCH;
    vec![vec![scrape(before, ""), scrape(at(1_000_000), &text)]]
}

const SERVED: &str =
    r#"http_request_method="GET",http_route="/products/{id}",http_response_status_code="200""#;
const CALLED: &str = r#"http_request_method="GET",server_address="catalog",url_template="/products/{id}",http_response_status_code="200",error_type="""#;

impl Shop {
    fn new(count: u64) -> Self {
        Self::without_samples(count, &[], &[], &[])
    }

    /// Leaves out the given requests' samples of the gateway's server, its client, and the catalogue's server.
    fn without_samples(count: u64, door: &[u64], client: &[u64], callee: &[u64]) -> Self {
        let but = |lost: &[u64]| (0..count).filter(|it| !lost.contains(it)).collect();
        let mut gateway = testimony(Service::Gateway, count);
        let called = [
            (attributes::HTTP_REQUEST_METHOD, "GET"),
            (attributes::URL_TEMPLATE, "/products/{id}"),
            (attributes::HTTP_RESPONSE_STATUS_CODE, "200"),
            (attributes::SERVER_ADDRESS, "catalog"),
        ];
        gateway
            .spans
            .extend((0..count).map(|it| span(Service::Gateway, Kind::Client, it, &called)));
        gateway.scrapes = scrapes(&[
            (names::HTTP_SERVER_REQUEST_DURATION, SERVED, but(door)),
            (names::HTTP_CLIENT_REQUEST_DURATION, CALLED, but(client)),
        ]);
        let mut catalog = testimony(Service::Catalog, count);
        catalog.scrapes = scrapes(&[(names::HTTP_SERVER_REQUEST_DURATION, SERVED, but(callee))]);
        Self {
            attempts: (0..count)
                .map(|it| Attempt {
                    id: format!("r-{it}"),
                    phase: 0,
                    route: "GET /products/{id}".into(),
                    intended_us: 0,
                    sent_us: 0,
                    done_us: 1,
                    status: Some(200),
                    error: None,
                    order: None,
                    product: None,
                })
                .collect(),
            evidence: [(Service::Gateway, gateway), (Service::Catalog, catalog)].into(),
        }
    }

    fn at(&mut self, service: Service) -> &mut Testimony {
        self.evidence.get_mut(&service).unwrap()
    }

    /// The names of the checks that fail, with what they say.
    fn failures(&self) -> Vec<(String, String)> {
        let checks = reconcile(&self.attempts, &self.evidence);
        assert_eq!(checks.len(), 4, "{checks:?}");
        checks
            .into_iter()
            .filter(|it| it.outcome != Outcome::Pass)
            .map(|it| (it.name, it.details.join("; ")))
            .collect()
    }
}

#[track_caller]
fn assert_says(shop: &Shop, check: &str, words: &[&str]) {
    let failures = shop.failures();
    let (_, text) = failures
        .iter()
        .find(|it| it.0 == check)
        .unwrap_or_else(|| panic!("{check} holds; only {failures:?} do not"));
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[test]
fn a_shop_whose_signals_agree_passes() {
    assert_eq!(Shop::new(100).failures(), []);
}

#[test]
fn a_missing_access_line_is_named() {
    let mut shop = Shop::new(100);
    shop.at(Service::Gateway).lines.access.remove(42);
    assert_says(
        &shop,
        "clients = gateway",
        &["access line is missing", "r-42"],
    );
    let name = "gateway: samples = access lines = spans";
    assert_says(&shop, name, &["access line is missing", "r-42"]);
    assert_eq!(shop.failures().len(), 2);
}

#[test]
fn a_missing_span_is_named() {
    let mut shop = Shop::new(100);
    shop.at(Service::Catalog).spans.remove(7);
    let name = "catalog: samples = access lines = spans";
    assert_says(&shop, name, &["1 span is missing", "r-7"]);
    assert_eq!(shop.failures().len(), 1);
}

#[test]
fn a_missing_sample_is_named_by_its_duration() {
    let shop = Shop::without_samples(100, &[33], &[], &[]);
    let name = "gateway: samples = access lines = spans";
    assert_says(&shop, name, &["1 metric sample is missing", "r-33"]);
    assert_eq!(shop.failures().len(), 1);
}

#[test]
fn a_sample_missing_at_the_callee_shows_at_the_callee_and_on_the_edge() {
    let shop = Shop::without_samples(100, &[], &[], &[51]);
    let name = "catalog: samples = access lines = spans";
    assert_says(&shop, name, &["1 metric sample is missing", "r-51"]);
    assert_says(
        &shop,
        "callers = catalog",
        &["1 metric samples of catalog are missing"],
    );
}

#[test]
fn a_sample_missing_at_the_caller_is_named_on_the_edge() {
    let shop = Shop::without_samples(100, &[], &[64], &[]);
    let words = ["1 calls served but not counted", "metric samples", "r-64"];
    assert_says(&shop, "callers = catalog", &words);
}

#[test]
fn an_attempt_without_an_answer_may_be_missing_and_a_stranger_may_not() {
    let mut shop = Shop::new(10);
    shop.attempts[3].status = None;
    assert_eq!(shop.failures(), []);
    shop.attempts.remove(4);
    assert_says(&shop, "clients = gateway", &["but not sent", "r-4"]);
    shop.attempts[0].status = Some(503);
    assert_says(&shop, "clients = gateway", &["another status", "r-0"]);
}
