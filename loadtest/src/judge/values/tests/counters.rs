//! What caches and gauges must not say.

use super::{assert_only, rewrite, scaled};
use crate::deployment::Service;

const CACHES: &str = "caches count what they load";

#[test]
fn a_cache_that_does_not_count_what_it_loads_is_named() {
    let results = "cache_requests_total";
    let loads = "cache_loads_total";
    for (words, from, to) in [
        // Every miss a hit: there are more hits than reads that loaded nothing.
        (
            &["hits that loaded", "21 hits", "0 misses", "21 loads"][..],
            "result=\"miss\"",
            "result=\"hit\"",
        ),
        (
            &["loads that are not counted", "0 at the origin"],
            "source=\"origin\"",
            "source=\"elsewhere\"",
        ),
        (
            &["from a shared cache that was not asked", "21 shared"],
            "source=\"origin\"",
            "source=\"shared\"",
        ),
        (
            &["loads that are no miss", "21 of refreshes"],
            "reason=\"miss\"",
            "reason=\"refresh\"",
        ),
    ] {
        assert_only(CACHES, words, |it| {
            rewrite(it, Service::Catalog, |text| text.replace(from, to));
        });
    }
    for (words, counter, more) in [
        (&["misses that load nothing", "26 misses"], results, 5.0),
        (&["results without a read", "26 misses"], results, 5.0),
        (&["reads without a result", "11 misses"], results, -10.0),
        (&["loads that there were not", "26 at"], loads, 5.0),
        (&["loads that are not counted", "16 at"], loads, -5.0),
    ] {
        assert_only(CACHES, words, |it| {
            rewrite(it, Service::Catalog, |text| {
                scaled(text, counter, |it| it + more)
            });
        });
    }
}

#[test]
fn a_gauge_that_is_not_true_is_named() {
    let gauges = "gauges are true at rest";
    for (from, to, words) in [
        (
            "url_scheme=\"http\"} 0",
            "url_scheme=\"http\"} 1",
            "http_server_active_requests: 1",
        ),
        ("service_ready 1", "service_ready 0", "0, and it was ready"),
        (
            "\"inventory\"} 1",
            "\"inventory\"} 2",
            "2 are known, 1 are there",
        ),
        (
            "cpu_seconds_total 1.5",
            "cpu_seconds_total 0.15",
            "kernel says 1.5",
        ),
        (
            "memory_bytes 10000000",
            "memory_bytes 12000000",
            "resident_memory",
        ),
        ("process_open_fds 21", "process_open_fds 30", "open_fds: 30"),
        (
            "time_seconds 1795464000",
            "time_seconds 1795467600",
            "start_time",
        ),
    ] {
        assert_only(gauges, &[words], |it| {
            rewrite(it, Service::Catalog, |text| text.replace(from, to));
        });
    }
    assert_only(
        gauges,
        &["3 events were given up, 0 deliveries failed"],
        |it| {
            rewrite(it, Service::Inventory, |text| {
                let label = "messaging_consumer_group_name=\"inventory\"";
                format!("{text}messaging_dead_letters{{{label}}} 3\n")
            });
        },
    );
}

#[test]
fn a_refusal_that_is_counted_and_not_told_of_is_named() {
    let words = ["catalog: admission_shed_total", "grew by 2, 0 access lines"];
    assert_only("refusals agree", &words, |it| {
        rewrite(it, Service::Catalog, |text| {
            let labels = "class=\"browse\",reason=\"full\"";
            format!("{text}admission_shed_total{{{labels}}} 2\n")
        });
    });
}
