//! What is said when one value of a shop whose signals agree is wrong.

mod counters;
mod shop;

use std::{sync::Arc, time::Duration};

use telemetry::{attributes as a, conventions};

use self::shop::{MS, at_ns, exposition, shop};
use super::check;
use crate::{
    deployment::Service,
    evidence::{
        Evidence, Testimony,
        log_lines::{Shape, Shaped},
        metrics::Exposition,
        otlp::Span,
    },
    verdict::Outcome,
};

/// The checks that fail in a shop after `change`, with what they say.
fn failures(change: impl FnOnce(&mut Evidence)) -> Vec<(String, String)> {
    let mut evidence = shop();
    change(&mut evidence);
    let checks = check(&evidence).into_iter();
    let failed = checks.filter(|it| it.outcome != Outcome::Pass);
    failed.map(|it| (it.name, it.details.join("; "))).collect()
}

/// Only `name` fails, and says all `words`.
#[track_caller]
fn assert_only(name: &str, words: &[&str], change: impl FnOnce(&mut Evidence)) {
    let failures = failures(change);
    let [(failed, said)] = &failures[..] else {
        panic!("not one check fails: {failures:#?}");
    };
    assert_eq!(failed, name, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

/// `name` fails among others, and says all `words`.
#[track_caller]
fn assert_among(name: &str, words: &[&str], change: impl FnOnce(&mut Evidence)) {
    let failures = failures(change);
    let said = failures.iter().find(|it| it.0 == name).map(|it| &it.1);
    let said = said.unwrap_or_else(|| panic!("{name} holds; only {failures:#?} do not"));
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

fn at(evidence: &mut Evidence, service: Service) -> &mut Testimony {
    evidence.get_mut(&service).unwrap()
}

fn span<'e>(evidence: &'e mut Evidence, id: &str) -> &'e mut Span {
    let mut spans = evidence.values_mut().flat_map(|it| &mut it.spans);
    spans.find(|it| it.id == id).unwrap()
}

/// Replaces in what `service` said when it was asked last.
fn rewrite(evidence: &mut Evidence, service: Service, change: impl Fn(&str) -> String) {
    let testimony = at(evidence, service);
    let text = exposition(&testimony.spans);
    let changed = change(&text);
    assert_ne!(text, changed, "nothing is changed");
    let last = testimony.scrapes[0].last_mut().unwrap();
    last.exposition = Exposition::parse(&changed).unwrap();
}

/// The text with the value of each sample whose line begins with `beginning` changed.
fn scaled(text: &str, beginning: &str, change: impl Fn(f64) -> f64) -> String {
    let line = |line: &str| {
        let Some((series, rest)) = line
            .split_once("} ")
            .filter(|_| line.starts_with(beginning))
        else {
            return format!("{line}\n");
        };
        let (value, exemplar) = rest.split_once(' ').unwrap_or((rest, ""));
        let value = change(value.parse().unwrap());
        format!("{series}}} {value} {exemplar}\n")
    };
    text.lines().map(line).collect()
}

#[test]
fn a_shop_whose_values_agree_passes() {
    assert_eq!(failures(|_| ()), []);
}

#[test]
fn a_line_with_another_duration_than_its_span_is_named() {
    let words = ["event.duration", "18000000 ns", "9000000 ns", "r-0"];
    assert_only("durations agree", &words, |it| {
        at(it, Service::Gateway).lines.access[0].duration_ns *= 2;
    });
    assert_only("durations agree", &["process line", "r-21"], |it| {
        at(it, Service::Inventory).lines.processed[0].duration_ns += 1;
    });
}

#[test]
fn a_histogram_that_counts_sums_or_sorts_wrongly_is_named() {
    let duration = "durations agree";
    let series = "http_client_request_duration_seconds{";
    assert_only(duration, &[series, "_sum grew by", "r-0"], |it| {
        let sum = "http_client_request_duration_seconds_sum";
        rewrite(it, Service::Gateway, |text| {
            scaled(text, sum, |it| it * 10.0)
        });
    });
    assert_only(duration, &["db_client", "10 samples, 20 spans"], |it| {
        let count = "db_client_operation_duration_seconds_count";
        rewrite(it, Service::Catalog, |text| {
            scaled(text, count, |it| if it > 1.0 { it / 2.0 } else { it })
        });
    });
    assert_only(
        duration,
        &["bucket le=\"+Inf\" grew by 0, 1", "r-21"],
        |it| {
            rewrite(it, Service::Inventory, |text| {
                text.replace("le=\"+Inf\"} 1", "le=\"+Inf\"} 0")
            });
        },
    );
    assert_only(
        duration,
        &["1 samples, 0 spans", "http_route=\"/other\""],
        |it| {
            rewrite(it, Service::Gateway, |text| {
                let count =
                    "http_server_request_duration_seconds_count{http_request_method=\"POST\"";
                let lines = text.lines().filter(|it| it.starts_with(count));
                let more: String = lines
                    .map(|it| it.replace("/orders", "/other") + "\n")
                    .collect();
                text.to_owned() + &more
            });
        },
    );
}

#[test]
fn a_line_that_is_not_of_the_end_of_its_span_is_named() {
    let words = ["@timestamp", "3599.99", "r-3"];
    assert_only("times agree", &words, |it| {
        let line = &mut at(it, Service::Catalog).lines.access[3];
        line.ended += Duration::from_hours(1);
    });
    assert_only(
        "times agree",
        &["\"order placed\" and its span", "r-2"],
        |it| {
            let line = &mut at(it, Service::Gateway).lines.events[2];
            line.at += Duration::from_secs(1);
        },
    );
}

#[test]
fn a_span_outside_of_its_parent_is_named_and_one_that_may_go_on_is_not() {
    // Both ends, so that it is as long as its sample says.
    fn shift(it: &mut Evidence, id: &str, by: i64) {
        let span = span(it, id);
        span.start_ns = span.start_ns.checked_add_signed(by).unwrap();
        span.end_ns = span.end_ns.checked_add_signed(by).unwrap();
    }
    let milli = MS.cast_signed();
    let begins = ["database client begins before its parent", "r-1"];
    assert_only("times agree", &begins, |it| shift(it, "t1-d", -2 * milli));
    let ends = ["HTTP client ends after its parent", "r-1"];
    assert_only("times agree", &ends, |it| shift(it, "t1-b", 2 * milli));
    assert_only(
        "times agree",
        &["inventory: consumer begins before"],
        |it| {
            shift(it, "t21-c", -10 * milli);
            let end = span(it, "t21-c").end_ns;
            at(it, Service::Inventory).lines.processed[0].ended = at_ns(end - end % 1_000);
        },
    );
    // A refresh of the cache.
    assert_eq!(failures(|it| shift(it, "t1-d", 100 * milli)), []);
}

#[test]
fn signals_that_do_not_agree_on_a_failure_are_named() {
    let outcomes = "outcomes agree";
    assert_only(outcomes, &["access line", "\"info\"", "r-20"], |it| {
        let lines = &mut at(it, Service::Catalog).lines.access;
        lines[20].written.level = "info".into();
    });
    assert_only(outcomes, &["access line", "\"500\"", "r-20"], |it| {
        at(it, Service::Catalog).lines.access[20].error_type.clear();
    });
    assert_only(outcomes, &["process line", "r-21"], |it| {
        at(it, Service::Inventory).lines.processed[0].outcome = "failure".into();
    });
    for (id, failed) in [
        ("t2-a", true),
        ("t20-a", false),
        ("t20-b", false),
        ("t20-d", false),
    ] {
        assert_among(outcomes, &["the span says"], |it| {
            span(it, id).failed = failed;
        });
    }
    assert_among(outcomes, &["its caller was told 200"], |it| {
        let status = a::HTTP_RESPONSE_STATUS_CODE.to_owned();
        span(it, "t2-c").attributes.insert(status, "404".into());
    });
}

#[test]
fn an_exemplar_that_points_elsewhere_is_named() {
    let exemplars = "exemplars are true";
    let true_one = "# {trace_id=\"t19\",span_id=\"t19-d\"} 0.003000019";
    for (instead, words) in [
        (
            "# {trace_id=\"t19\",span_id=\"t19-x\"} 0.003000019",
            "t19-x of trace t19, which was not exported",
        ),
        (
            "# {trace_id=\"t9\",span_id=\"t19-d\"} 0.003000019",
            "t19-d of trace t9, which was not exported",
        ),
        (
            "# {trace_id=\"t19\",span_id=\"t19-c\"} 0.003000019",
            "is GET /products/{id}, of another series",
        ),
        (
            "# {trace_id=\"t19\",span_id=\"t19-d\"} 0.004",
            "is 0.004 s, its span took 0.003000019 s",
        ),
        ("", "bucket le=0.005 has no exemplar"),
    ] {
        assert_only(exemplars, &["db_client_operation", words], |it| {
            rewrite(it, Service::Catalog, |text| text.replace(true_one, instead));
        });
    }
}

#[test]
fn what_nothing_asked_for_is_named() {
    let cause = "everything has its cause";
    let words = ["database client SELECT products", "begins a trace", "r-3"];
    assert_among(cause, &words, |it| span(it, "t3-d").parent_id.clear());
    let words = ["its parent t3-x was not exported"];
    assert_among(cause, &words, |it| {
        span(it, "t3-d").parent_id = "t3-x".into();
    });
    let words = ["HTTP server GET /products/{id}", "begins a trace"];
    assert_among(cause, &words, |it| span(it, "t3-c").parent_id.clear());
    let words = ["its parent POST /orders sent nothing"];
    assert_only(cause, &words, |it| {
        span(it, "t21-c").parent_id = "t21-a".into();
    });
    let words = ["catalog-1.1 at port 4711 answered, and port 1 was called"];
    assert_only(cause, &words, |it| {
        let port = a::NETWORK_PEER_PORT.to_owned();
        span(it, "t3-b").attributes.insert(port, "1".into());
    });
    let words = ["\"/products/{id}\" was called, \"/products/p-3\" answered"];
    assert_among(cause, &words, |it| {
        let route = a::HTTP_ROUTE.to_owned();
        span(it, "t3-c")
            .attributes
            .insert(route, "/products/p-3".into());
    });
}

#[test]
fn a_line_outside_of_its_trace_is_named() {
    let cause = "everything has its cause";
    let words = ["line \"order placed\"", "it has no trace", "r-5"];
    assert_only(cause, &words, |it| {
        let line = &mut at(it, Service::Gateway).lines.events[5];
        (line.trace_id, line.span_id) = Default::default();
    });
    assert_only(cause, &["it says trace t9", "r-5"], |it| {
        at(it, Service::Gateway).lines.events[5].trace_id = "t9".into();
    });
    assert_only(cause, &["the line says trace t9", "r-5"], |it| {
        at(it, Service::Gateway).lines.access[5].trace_id = "t9".into();
    });
}

#[test]
fn whoever_says_it_is_somebody_else_is_named() {
    let origins = "everyone says who it is";
    let words = ["lines in the log of catalog-1.1 say orders and catalog-1.1"];
    assert_only(origins, &words, |it| {
        let lines = &mut at(it, Service::Catalog).lines;
        let (mut origin, shaped) = lines.origins.pop_first().unwrap();
        origin.service = "orders".into();
        lines.origins.insert(origin, shaped);
    });
    assert_only(origins, &["inventory-9.9", "r-21"], |it| {
        let resource = Arc::make_mut(&mut span(it, "t21-c").resource);
        let instance = a::SERVICE_INSTANCE_ID.to_owned();
        resource.attributes.insert(instance, "inventory-9.9".into());
    });
    assert_only(origins, &["schema of spans", "1 have \"\"", "r-3"], |it| {
        let resource = Arc::make_mut(&mut span(it, "t3-a").resource);
        resource.schema_url.clear();
    });
}

#[test]
fn a_name_that_the_table_does_not_have_is_named() {
    let names = "names are those of the conventions";
    let words = ["HTTP client: server.port is missing", "r-3"];
    assert_only(names, &words, |it| {
        span(it, "t3-b").attributes.remove(a::SERVER_PORT);
    });
    let words = ["\"GET /products/p-3\", not \"GET /products/{id}\"", "r-3"];
    assert_only(names, &words, |it| {
        span(it, "t3-b").name = "GET /products/p-3".into();
    });
    assert_only(names, &["\"/other\" is not of \"/products/{id}\""], |it| {
        let path = a::URL_PATH.to_owned();
        span(it, "t3-c").attributes.insert(path, "/other".into());
    });
    assert_only(names, &["server_port is missing"], |it| {
        rewrite(it, Service::Gateway, |text| {
            text.replace("server_port=\"\",", "")
        });
    });
    assert_only(names, &["made_up: it is not in the table"], |it| {
        rewrite(it, Service::Gateway, |text| text.to_owned() + "made_up 1\n");
    });
    assert_only(names, &["line, event: message is missing", "r-7"], |it| {
        let table = conventions::line("event").unwrap().required();
        let kept = table.iter().filter(|it| **it != "message");
        let shape = Shape {
            kind: "event",
            failed: false,
            names: kept.map(|it| (*it).to_owned()).collect(),
        };
        let shaped = Shaped {
            count: 1,
            request_id: "r-7".into(),
        };
        at(it, Service::Gateway).lines.shapes.insert(shape, shaped);
    });
}
