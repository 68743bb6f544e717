//! A shop that says the same in all its signals.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use telemetry::{attributes as a, conventions, names};

use super::super::series::HISTOGRAMS;
use crate::{
    deployment::Service,
    evidence::{
        Evidence, Operation, Scrape, Testimony,
        access_lines::AccessLine,
        event_lines::EventLine,
        log_lines::{Lines, Origin, Shaped},
        metrics::Exposition,
        otlp::{Kind, Resource, Span},
        process_lines::ProcessLine,
        usage::Usage,
        written::Written,
    },
};

pub(super) const MS: u64 = 1_000_000;
/// When the first page is asked for, in nanoseconds since 1970.
const BEGIN: u64 = 1_795_464_719_000_000_000;
const PAGE: &str = "/products/{id}";
const CATALOG_PORT: u16 = 4711;

/// What the kernel says of each process, and each process of itself.
pub(super) const USAGE: Usage = Usage {
    cpu_s: 1.5,
    resident: 1e7,
    started: 1_795_464_000.0,
    open_files: 20.0,
};

/// Attributes of a span by name.
type Attributes<'a> = &'a [(&'a str, &'a str)];

fn resource(service: Service) -> Arc<Resource> {
    let attributes = [
        (a::SERVICE_NAME, service.name().to_owned()),
        (a::SERVICE_VERSION, "1.2.3".to_owned()),
        (a::SERVICE_INSTANCE_ID, format!("{service}-1.1")),
        ("telemetry.sdk.name", "opentelemetry".to_owned()),
        ("telemetry.sdk.language", "rust".to_owned()),
        ("telemetry.sdk.version", "0".to_owned()),
    ];
    Arc::new(Resource {
        schema_url: conventions::SCHEMA_URL.to_owned(),
        attributes: attributes.map(|(k, v)| (k.to_owned(), v)).into(),
    })
}

/// One page for each index, each from its first millisecond to its last, and an order with its event.
struct Shop(Vec<(Service, Span)>);

impl Shop {
    fn add(
        &mut self,
        service: Service,
        name: &str,
        kind: Kind,
        place: (&str, &str, u64, u64),
        attributes: Attributes<'_>,
    ) {
        let (id, parent, from, to) = place;
        let trace = id.split('-').next().unwrap();
        let parent_id = match parent {
            "" => String::new(),
            parent => format!("{trace}-{parent}"),
        };
        let index: u64 = trace[1..].parse().unwrap();
        let begin = BEGIN + index * 40 * MS;
        self.0.push((
            service,
            Span {
                trace_id: trace.to_owned(),
                id: id.to_owned(),
                parent_id,
                service: service.to_string(),
                resource: resource(service),
                name: name.to_owned(),
                kind,
                start_ns: begin + from * MS / 10,
                end_ns: begin + to * MS / 10 + index,
                failed: attributes.iter().any(|it| it.0 == a::ERROR_TYPE),
                attributes: attributes
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
            },
        ));
    }

    /// A page of which the catalogue says `status`.
    fn page(&mut self, index: u64, status: &str) {
        let id = |place: &str| format!("t{index}-{place}");
        let request = format!("r-{index}");
        let request = (a::HTTP_REQUEST_HEADER_X_REQUEST_ID, request.as_str());
        let path = format!("/products/p-{index}");
        let url = format!("http://127.0.0.1:{CATALOG_PORT}{path}");
        let port = CATALOG_PORT.to_string();
        let served = [
            (a::HTTP_REQUEST_METHOD, "GET"),
            (a::HTTP_ROUTE, PAGE),
            (a::HTTP_RESPONSE_STATUS_CODE, status),
            (a::URL_SCHEME, "http"),
            (a::URL_PATH, path.as_str()),
            request,
        ];
        let called = [
            (a::HTTP_REQUEST_METHOD, "GET"),
            (a::URL_TEMPLATE, PAGE),
            (a::HTTP_RESPONSE_STATUS_CODE, status),
            (a::SERVER_ADDRESS, "catalog"),
            (a::SERVER_PORT, port.as_str()),
            (a::NETWORK_PEER_ADDRESS, "127.0.0.1"),
            (a::NETWORK_PEER_PORT, port.as_str()),
            (a::URL_FULL, url.as_str()),
            request,
        ];
        let mut loaded = vec![
            (a::DB_SYSTEM_NAME, "sqlite"),
            (a::DB_OPERATION_NAME, "SELECT"),
            (a::DB_COLLECTION_NAME, "products"),
        ];
        let (mut served, mut called) = (served.to_vec(), called.to_vec());
        if status == "500" {
            served.push((a::ERROR_TYPE, "500"));
            called.push((a::ERROR_TYPE, "500"));
            loaded.push((a::ERROR_TYPE, "timeout"));
        }
        let name = format!("GET {PAGE}");
        let (gateway, catalog) = (Service::Gateway, Service::Catalog);
        self.add(gateway, &name, Kind::Server, (&id("a"), "", 0, 90), &served);
        self.add(
            gateway,
            &name,
            Kind::Client,
            (&id("b"), "a", 10, 80),
            &called,
        );
        self.add(
            catalog,
            &name,
            Kind::Server,
            (&id("c"), "b", 20, 70),
            &served,
        );
        let select = "SELECT products";
        self.add(
            catalog,
            select,
            Kind::Client,
            (&id("d"), "c", 30, 60),
            &loaded,
        );
    }

    /// Orders tells an event beside a request, and inventory processes it.
    fn order(&mut self, index: u64) {
        let id = |place: &str| format!("t{index}-{place}");
        let request = format!("r-{index}");
        let request = (a::HTTP_REQUEST_HEADER_X_REQUEST_ID, request.as_str());
        let event = |operation| {
            [
                (a::MESSAGING_SYSTEM, "sqlite"),
                (a::MESSAGING_OPERATION_NAME, operation),
                (a::MESSAGING_OPERATION_TYPE, operation),
                (a::MESSAGING_DESTINATION_NAME, "order.placed"),
                (a::MESSAGING_MESSAGE_ID, "e-1"),
                request,
            ]
        };
        let placed = [
            (a::HTTP_REQUEST_METHOD, "POST"),
            (a::HTTP_ROUTE, "/orders"),
            (a::HTTP_RESPONSE_STATUS_CODE, "202"),
            (a::URL_SCHEME, "http"),
            (a::URL_PATH, "/orders"),
            request,
        ];
        // As if orders were the door: one call less to invent.
        let door = Service::Gateway;
        let place = (&*id("a"), "", 0, 90);
        self.add(door, "POST /orders", Kind::Server, place, &placed);
        let place = (&*id("b"), "a", 100, 110);
        let sent = event("send");
        self.add(door, "send order.placed", Kind::Producer, place, &sent);
        let group = (a::MESSAGING_CONSUMER_GROUP_NAME, "inventory");
        let processed: Vec<_> = event("process").into_iter().chain([group]).collect();
        let place = (&*id("c"), "b", 105, 200);
        let name = "process order.placed";
        self.add(Service::Inventory, name, Kind::Consumer, place, &processed);
    }

    fn evidence(self) -> Evidence {
        let mut evidence = Evidence::new();
        for (service, span) in self.0 {
            let testimony: &mut Testimony = evidence.entry(service).or_default();
            testimony.spans.push(span);
        }
        for (service, testimony) in &mut evidence {
            let place = ([127, 0, 0, 1], CATALOG_PORT).into();
            testimony.processes.insert(format!("{service}-1.1"), place);
            testimony.lines = lines(*service, &testimony.spans);
            let text = exposition(&testimony.spans);
            let scrape = |at: u64, text: &str| Scrape {
                asked: at_ns(at),
                answered: at_ns(at + MS),
                exposition: Exposition::parse(text).unwrap(),
                usage: Some((USAGE, USAGE)),
            };
            let first = scrape(BEGIN - 1_000 * MS, "");
            testimony.scrapes = vec![vec![first, scrape(BEGIN + 9_000 * MS, &text)]];
        }
        evidence
    }
}

pub(super) fn at_ns(ns: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(ns)
}

fn lines(service: Service, spans: &[Span]) -> Lines {
    let mut lines = Lines::default();
    for span in spans {
        let written = Written {
            service: service.to_string(),
            node: format!("{service}-1.1"),
            level: if span.failed { "error" } else { "info" }.to_owned(),
        };
        let ended = at_ns(span.end_ns - span.end_ns % 1_000);
        let of = |name: &str| span.attribute(name).to_owned();
        let request_id = span.request_id().to_owned();
        let (trace_id, span_id) = (span.trace_id.clone(), span.id.clone());
        let duration_ns = span.end_ns - span.start_ns;
        let error_type = of(a::ERROR_TYPE);
        match span.kind {
            Kind::Server => {
                lines.events.push(EventLine {
                    at: at_ns(span.start_ns + MS),
                    written: written.clone(),
                    message: "order placed".into(),
                    trace_id: trace_id.clone(),
                    span_id: span_id.clone(),
                    request_id: request_id.clone(),
                    order_id: "o-1".into(),
                    user_id: String::new(),
                });
                lines.access.push(AccessLine {
                    request_id,
                    trace_id,
                    span_id,
                    operation: Operation::http(
                        span.attribute(a::HTTP_REQUEST_METHOD),
                        span.attribute(a::HTTP_ROUTE),
                        span.attribute(a::HTTP_RESPONSE_STATUS_CODE),
                    ),
                    status: of(a::HTTP_RESPONSE_STATUS_CODE).parse().unwrap(),
                    error_type,
                    ended,
                    duration_ns,
                    written,
                });
            }
            Kind::Consumer => lines.processed.push(ProcessLine {
                ended,
                request_id,
                trace_id,
                span_id,
                kind: of(a::MESSAGING_DESTINATION_NAME),
                event_id: of(a::MESSAGING_MESSAGE_ID),
                queue: of(a::MESSAGING_CONSUMER_GROUP_NAME),
                outcome: "success".into(),
                error_type,
                duration_ns,
                written,
            }),
            _ => (),
        }
    }
    let origin = Origin {
        process: format!("{service}-1.1"),
        service: service.to_string(),
        node: format!("{service}-1.1"),
    };
    lines.origins.insert(origin, Shaped::default());
    lines
}

/// What a process says that has made `spans`.
pub(super) fn exposition(spans: &[Span]) -> String {
    let mut text = histograms(spans);
    let loads = spans.iter().filter(|it| it.name.contains("SELECT")).count();
    let replica = r#"discovery_replicas{server_address="inventory"}"#;
    let missed = r#"cache_requests_total{cache="products",result="miss"}"#;
    let loaded = r#"cache_loads_total{cache="products",reason="miss",source="origin"}"#;
    let started = USAGE.started;
    write!(
        text,
        "service_ready 1\nhttp_server_active_requests{{http_request_method=\"GET\",url_scheme=\"http\"}} 0\n\
         process_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 10000000\n\
         process_start_time_seconds {started}\nprocess_open_fds 21\n{replica} 1\n{missed} {loads}\n{loaded} {loads}\n"
    )
    .unwrap();
    text
}

/// Their histograms, with exemplars.
fn histograms(spans: &[Span]) -> String {
    let mut series: BTreeMap<(&str, String), Vec<&Span>> = BTreeMap::new();
    for span in spans {
        let of = |attribute: &str| span.attributes.contains_key(attribute);
        let kind = match span.kind {
            Kind::Server => "HTTP server",
            Kind::Client if of(a::DB_SYSTEM_NAME) => "database client",
            Kind::Client => "HTTP client",
            Kind::Producer => "producer",
            _ => "consumer",
        };
        let (_, histogram) = HISTOGRAMS.iter().find(|it| it.0 == kind).unwrap();
        let labels = conventions::metric(histogram).unwrap().required().iter();
        let labels = labels.map(|label| {
            let named = |it: &&String| it.replace('.', "_") == **label;
            let attribute = span.attributes.keys().find(named);
            let value = attribute.filter(|_| *label != names::SERVER_PORT);
            let value = value.map_or("", |it| span.attribute(it));
            format!("{label}=\"{value}\"")
        });
        let labels = labels.collect::<Vec<_>>().join(",");
        series.entry((histogram, labels)).or_default().push(span);
    }
    let mut text = String::new();
    for ((name, labels), spans) in series {
        let seconds = |it: &Span| Duration::from_nanos(it.end_ns - it.start_ns).as_secs_f64();
        let sum: f64 = spans.iter().map(|it| seconds(it)).sum();
        writeln!(text, "{name}_sum{{{labels}}} {sum}").unwrap();
        writeln!(text, "{name}_count{{{labels}}} {}", spans.len()).unwrap();
        let mut below = 0.0;
        for bound in names::LATENCY_BUCKETS.into_iter().chain([f64::INFINITY]) {
            let within = spans.iter().filter(|it| seconds(it) <= bound).count();
            let le = if bound.is_finite() {
                format!("{bound:?}")
            } else {
                "+Inf".into()
            };
            write!(text, "{name}_bucket{{{labels},le=\"{le}\"}} {within}").unwrap();
            let here = |it: &&&Span| seconds(it) > below && seconds(it) <= bound;
            if let Some(span) = spans.iter().rfind(here) {
                let (trace, id, value) = (&span.trace_id, &span.id, seconds(span));
                write!(text, " # {{trace_id=\"{trace}\",span_id=\"{id}\"}} {value}").unwrap();
            }
            text.push('\n');
            below = bound;
        }
    }
    text
}

/// Twenty pages, one that fails, and an order.
pub(super) fn shop() -> Evidence {
    let mut shop = Shop(Vec::new());
    (0..20).for_each(|it| shop.page(it, "200"));
    shop.page(20, "500");
    shop.order(21);
    shop.evidence()
}
