//! Copies of the catalogue: what is cached, and what is in the index. How much do they spare, and how old are they?

use telemetry::names;

use crate::{
    annotations::annotations,
    model::{Dashboard, Link, Panel, Row, Unit},
    promql::{growth, is, like, observed, quantile, share},
    thresholds::OBJECTIVES,
};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "windtunnel-caching",
        title: "Caching",
        description: "Copies of the catalogue: cached products, and the search index. How much do they spare, and how old are they?",
        variables: Vec::new(),
        annotations: annotations(),
        rows: vec![cache(), index()],
    }
}

fn cache() -> Row {
    let look_ups = names::CACHE_REQUESTS;
    let all = growth(&["cache"], look_ups, &[]);
    let spared = like("result", "hit|stale|coalesced|absent");
    Row {
        title: "Cached values",
        panels: vec![
            Panel::lines(
                "What share of look-ups needs no load?",
                Unit::Share,
                "Hits, stale values that were served while a fresh one was loaded, look-ups that waited for a load already under way, and keys known not to exist. Low after a restart, which empties the memory, and with many distinct keys; not a fault in itself.",
            )
            .ask(share(&growth(&["cache"], look_ups, &[&spared]), &all), "{{cache}}")
            .most(1.0)
            .to(Link::Dashboard("windtunnel-service", "Dashboards of the services")),
            Panel::lines(
                "How do look-ups end?",
                Unit::PerSecond,
                "hit: fresh in memory. stale: old, and being renewed. coalesced: waited for somebody else's load. miss: loaded. absent: known not to exist.",
            )
            .ask(growth(&["cache", "result"], look_ups, &[]), "{{cache}}: {{result}}"),
            reaching_the_database(),
            waiting(),
            Panel::lines(
                "What is loaded, and where from?",
                Unit::PerSecond,
                "For a miss somebody waits, for a refresh nobody. shared: another replica had loaded it. Many loads at the origin at once are a stampede: see CacheStampede.",
            )
            .ask(
                growth(&["cache", "reason", "source"], names::CACHE_LOADS, &[]),
                "{{cache}}: {{reason}}, {{source}}",
            ),
            Panel::lines(
                "What is thrown away?",
                Unit::PerSecond,
                "key: one value that has changed. all: changes may have been missed, so everything is loaded again; each is a gap in what this replica heard.",
            )
            .ask(
                growth(&["service", "cache", "scope"], names::CACHE_INVALIDATIONS, &[]),
                "{{service}} {{cache}}: {{scope}}",
            )
            .to(Link::Service),
        ],
    }
}

fn reaching_the_database() -> Panel {
    let origin = is("source", "origin");
    let reads = [
        is("service", "catalog"),
        is(names::DB_OPERATION_NAME, "SELECT"),
        is(names::DB_COLLECTION_NAME, "products"),
    ];
    let reads = reads.each_ref().map(String::as_str);
    Panel::lines(
        "What reaches the database all the same?",
        Unit::PerSecond,
        "Loads at the origin, beside all reads of products: the rest are lists and batches, which are not cached.",
    )
    .ask(
        growth(&["cache"], names::CACHE_LOADS, &[&origin]),
        "loads of {{cache}}",
    )
    .ask(
        observed(&[], names::DB_CLIENT_OPERATION_DURATION, &reads),
        "reads of products",
    )
    .to(Link::Dashboard("windtunnel-dependencies", "What the shop depends on"))
}

fn waiting() -> Panel {
    let page = [
        is("service", "catalog"),
        is(names::HTTP_ROUTE, "/products/{id}"),
    ];
    let page = page.each_ref().map(String::as_str);
    Panel::lines(
        "What does a reader wait for?",
        Unit::Seconds,
        "A product as the catalogue answers it: half are hits, and the slowest 1 % are loads. Dots are single requests.",
    )
    .ask_with_exemplars(
        quantile(0.5, &[], names::HTTP_SERVER_REQUEST_DURATION, &page),
        "half are faster than",
    )
    .ask_with_exemplars(
        quantile(0.99, &[], names::HTTP_SERVER_REQUEST_DURATION, &page),
        "99 % are faster than",
    )
    .at_most(OBJECTIVES.browse_seconds)
}

fn index() -> Row {
    let searches = [is("service", "search"), is(names::HTTP_ROUTE, "/search")];
    let searches = searches.each_ref().map(String::as_str);
    let in_time = is("le", &format!("{:?}", OBJECTIVES.freshness_seconds));
    let freshness = names::SEARCH_FRESHNESS;
    Row {
        title: "Search index",
        panels: [vec![
            Panel::lines(
                "How long until a change can be found?",
                Unit::Seconds,
                "From the change of a product to the moment it can be searched, over 5 minutes: 99 % must be below the line.",
            )
            .ask(
                format!("histogram_quantile(0.5, sum by (le) (rate({freshness}_bucket[5m])))"),
                "half are faster than",
            )
            .ask(
                format!("histogram_quantile(0.99, sum by (le) (rate({freshness}_bucket[5m])))"),
                "99 % are faster than",
            )
            .at_most(OBJECTIVES.freshness_seconds)
            .to(Link::Dashboard("windtunnel-slo", "How much budget that costs"))
            .quiet_until("a change of a price", "nothing has changed"),
            Panel::lines(
                "How many changes could be found too late?",
                Unit::Share,
                "Of the changes of 5 minutes, the share that took longer than the objective allows.",
            )
            .ask(
                format!(
                    "1 - sum(rate({freshness}_bucket{{{in_time}}}[5m])) / sum(rate({freshness}_count[5m]))"
                ),
                "too late",
            )
            .at_most(0.01)
            .to(Link::Dashboard("windtunnel-slo", "How much budget that costs"))
            .quiet_until("a change of a price", "nothing has changed"),
            Panel::lines(
                "How long does a search take?",
                Unit::Seconds,
                "99 % must be faster than the line. Dots are single searches.",
            )
            .ask_with_exemplars(
                quantile(0.5, &[], names::HTTP_SERVER_REQUEST_DURATION, &searches),
                "half are faster than",
            )
            .ask_with_exemplars(
                quantile(0.99, &[], names::HTTP_SERVER_REQUEST_DURATION, &searches),
                "99 % are faster than",
            )
            .at_most(OBJECTIVES.search_seconds),
        ], rebuilds()].into_iter().flatten().collect(),
    }
}

fn rebuilds() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Is the index being rebuilt?",
            Unit::Count,
            "Products that the rebuild under way has written; 0 while there is none. Searches go on meanwhile.",
        )
        .ask(format!("max({})", names::SEARCH_REBUILD_PRODUCTS), "written")
        .ask(
            format!("max({})", names::SEARCH_CHANGES_OVERDUE),
            "changes that should be in the index and are not",
        )
        .wide(12),
        Panel::figures(
            "How have rebuilds ended?",
            Unit::Count,
            "Since the start of each replica. A rebuild that failed leaves the index as it was.",
        )
        .ask(format!("sum by (outcome) ({})", names::SEARCH_REBUILDS), "{{outcome}}")
        .to(Link::Dashboard("windtunnel-service", "Dashboards of the services"))
        .wide(12)
        .high(8),
    ]
}
