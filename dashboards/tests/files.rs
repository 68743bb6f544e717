//! What can be said of the dashboards without a Prometheus: they are as committed, ask for what is recorded, leave no metric out,
//! and lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use dashboards::{
    expression::{self, Expression},
    model::{Dashboard, Kind, Link, Panel, Unit},
};
use serde_json::Value;

/// Metrics of Prometheus itself.
const OF_PROMETHEUS: [&str; 2] = ["ALERTS", "up"];
/// Histograms whose samples have no trace that they could point at.
const WITHOUT_EXEMPLARS: [&str; 5] = [
    telemetry::names::ADMISSION_WAIT,
    telemetry::names::LOADTEST_REQUEST_DURATION,
    telemetry::names::ORDERS_COMPLETION,
    telemetry::names::SEARCH_FRESHNESS,
    telemetry::names::DNS_LOOKUP_DURATION,
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn panels() -> Vec<(Dashboard, Panel)> {
    let all = dashboards::all().into_iter();
    let of = |it: Dashboard| {
        let panels: Vec<_> = it.rows.iter().flat_map(|it| it.panels.clone()).collect();
        panels.into_iter().map(move |panel| (it.clone(), panel))
    };
    all.flat_map(of).collect()
}

/// Every expression of a panel, an annotation or a variable, with where it stands.
fn expressions() -> Vec<(String, Expression)> {
    let mut all = Vec::new();
    for (dashboard, panel) in panels() {
        for query in &panel.queries {
            let place = format!("{}: {}", dashboard.uid, panel.title);
            all.push((place, expression::read(&query.expr)));
        }
    }
    for dashboard in dashboards::all() {
        for it in &dashboard.annotations {
            let place = format!("{}: {}", dashboard.uid, it.name);
            all.push((place, expression::read(&it.expr)));
        }
        for it in &dashboard.variables {
            let place = format!("{}: ${}", dashboard.uid, it.name);
            all.push((place, expression::read(it.metric)));
        }
    }
    all
}

/// What a metric is, by its name: the first word of its documentation.
fn recorded() -> BTreeMap<String, &'static str> {
    let source = root().join("crates/telemetry/src/names.rs");
    let source = fs::read_to_string(source).expect("the names are there");
    let mut metrics = BTreeMap::new();
    let mut kind = None;
    for line in source.lines() {
        if let Some(doc) = line.strip_prefix("/// ") {
            let told = ["Histogram", "Counter", "Gauge"]
                .into_iter()
                .find(|it| doc.starts_with(&format!("{it}:")));
            kind = kind.or(told);
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            if let Some(kind) = kind.take() {
                let name = constant.split('"').nth(1).expect("a name is a text");
                metrics.insert(name.to_owned(), kind);
            }
        } else if line.is_empty() {
            kind = None;
        }
    }
    assert!(metrics.len() > 30, "{metrics:?}");
    metrics
}

/// The name under which a metric is recorded, from the one that a query asks for.
fn base<'a>(recorded: &BTreeMap<String, &str>, asked: &'a str) -> &'a str {
    let parts = ["_bucket", "_count", "_sum"].into_iter();
    let mut histograms = parts.filter_map(|it| asked.strip_suffix(it));
    let histogram = histograms.find(|it| recorded.get(*it) == Some(&"Histogram"));
    histogram.unwrap_or(asked)
}

#[test]
fn the_committed_files_are_what_the_code_writes() {
    let mut stale = Vec::new();
    let mut names = BTreeSet::new();
    for it in dashboards::all() {
        let (name, text) = dashboards::file(&it);
        let path = dashboards::folder().join(&name);
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            stale.push(name.clone());
        }
        names.insert(name);
    }
    let there = fs::read_dir(dashboards::folder()).expect("the folder is there");
    let there: BTreeSet<_> = there
        .map(|it| {
            it.expect("it can be listed")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    assert!(stale.is_empty(), "run `cargo run -p dashboards`: {stale:?}");
    assert_eq!(there, names);
}

#[test]
fn queries_ask_for_metrics_that_are_recorded_in_the_form_that_their_kind_has() {
    let recorded = recorded();
    let mut wrong = Vec::new();
    for (place, expression) in expressions() {
        for selector in &expression.selectors {
            let asked = selector.metric.as_str();
            let base = base(&recorded, asked);
            let fits = match recorded.get(base) {
                Some(&"Histogram") => base != asked,
                Some(_) => true,
                // A recording rule has a colon in its name.
                None => OF_PROMETHEUS.contains(&asked) || asked.contains(':'),
            };
            if !fits {
                wrong.push(format!("{place}: {asked}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_metric_is_in_a_panel_or_in_a_rule() {
    let recorded = recorded();
    let mut asked: BTreeSet<_> = expressions()
        .iter()
        .flat_map(|it| &it.1.selectors)
        .map(|it| base(&recorded, &it.metric).to_owned())
        .collect();
    let rules = fs::read_dir(root().join("observability/prometheus/rules"));
    for file in rules.into_iter().flatten() {
        let text = fs::read_to_string(file.expect("it can be listed").path()).expect("UTF-8");
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && !"_:".contains(it));
        asked.extend(words.map(|it| base(&recorded, it).to_owned()));
    }
    let missing: Vec<_> = recorded.keys().filter(|it| !asked.contains(*it)).collect();
    assert!(missing.is_empty(), "nothing shows {missing:?}");
}

#[test]
fn legends_columns_and_links_name_labels_that_the_answer_has() {
    let mut wrong = Vec::new();
    for (dashboard, panel) in panels() {
        for query in &panel.queries {
            let grouped = expression::read(&query.expr).groupings;
            let mut named: Vec<_> = expression::labels_of(query.legend);
            named.extend(panel.columns.0.iter().map(|it| it.0));
            named.extend(panel.links.iter().filter_map(|it| match it {
                Link::Service => Some("service"),
                Link::Callee => Some(telemetry::names::SERVER_ADDRESS),
                Link::Consumer => Some(telemetry::names::MESSAGING_CONSUMER_GROUP_NAME),
                Link::Runbook => Some("alertname"),
                Link::Objective => Some("slo"),
                Link::Dashboard(..) => None,
            }));
            for label in named
                .iter()
                .filter(|it| !grouped.iter().any(|of| of == **it))
            {
                wrong.push(format!("{}: {}: {label}", dashboard.uid, panel.title));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_panel_asks_a_question_and_says_how_to_read_the_answer() {
    let mut titles = BTreeSet::new();
    for (dashboard, panel) in panels() {
        let place = format!("{}: {}", dashboard.uid, panel.title);
        assert!(panel.title.ends_with('?'), "{place}");
        assert!(panel.description.ends_with('.'), "{place}");
        assert!(!panel.queries.is_empty(), "{place}");
        assert!(panel.width <= 24, "{place}");
        assert!(titles.insert(place.clone()), "{place} is there twice");
    }
}

#[test]
fn latencies_show_exemplars() {
    let recorded = recorded();
    for (dashboard, panel) in panels() {
        for query in &panel.queries {
            let selectors = expression::read(&query.expr).selectors;
            let latencies = selectors.iter().any(|it| {
                let base = base(&recorded, &it.metric);
                it.metric.ends_with("_bucket") && !WITHOUT_EXEMPLARS.contains(&base)
            });
            let shown = matches!(panel.kind, Kind::TimeSeries | Kind::Heatmap);
            let wanted = latencies && shown && panel.unit == Unit::Seconds;
            assert_eq!(
                query.exemplars, wanted,
                "{}: {}",
                dashboard.uid, panel.title
            );
        }
    }
}

#[test]
fn links_between_dashboards_lead_to_one() {
    let uids: BTreeSet<_> = dashboards::all().iter().map(|it| it.uid).collect();
    for (dashboard, panel) in panels() {
        for link in &panel.links {
            if let Link::Dashboard(uid, _) = link {
                assert!(
                    uids.contains(uid),
                    "{}: {}: {uid}",
                    dashboard.uid,
                    panel.title
                );
            }
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    for it in dashboards::all() {
        let json: Value = serde_json::from_str(&dashboards::file(&it).1).expect("it is JSON");
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in json["panels"].as_array().expect("there are panels") {
            let place = &panel["gridPos"];
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|it| place[it].as_u64().expect("a number"));
            assert!(x + w <= 24, "{}: {}", it.uid, panel["title"]);
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(
                    taken.insert(cell),
                    "{}: {}: {cell:?}",
                    it.uid,
                    panel["title"]
                );
            }
            assert!(
                ids.insert(panel["id"].as_u64()),
                "{}: {}",
                it.uid,
                panel["title"]
            );
        }
    }
}

#[test]
fn data_sources_are_those_that_are_provisioned() {
    let folder = root().join("observability/grafana/provisioning/datasources");
    let file = fs::read_to_string(folder.join("windtunnel.yaml")).expect("it is there");
    let provisioned: BTreeSet<_> = file
        .lines()
        .filter_map(|it| it.trim().strip_prefix("uid: "))
        .map(str::to_owned)
        .collect();
    assert_eq!(provisioned.len(), 4, "{provisioned:?}");
    let mut used = BTreeSet::new();
    for it in dashboards::all() {
        let json: Value = serde_json::from_str(&dashboards::file(&it).1).expect("it is JSON");
        sources(&json, &mut used);
    }
    assert!(!used.is_empty() && used.is_subset(&provisioned), "{used:?}");
}

/// The uids of all data sources in a dashboard.
fn sources(it: &Value, found: &mut BTreeSet<String>) {
    match it {
        Value::Object(fields) => {
            if let Some(uid) = fields.get("datasource").and_then(|it| it["uid"].as_str()) {
                found.insert(uid.to_owned());
            }
            fields.values().for_each(|it| sources(it, found));
        }
        Value::Array(items) => items.iter().for_each(|it| sources(it, found)),
        _ => {}
    }
}

#[test]
fn every_dashboard_has_a_picture_of_all_its_panels_in_the_document() {
    let document = fs::read_to_string(root().join("docs/dashboards.md")).expect("it is there");
    let mut wrong = Vec::new();
    for it in dashboards::all() {
        let name = dashboards::stem(&it);
        let picture = dashboards::pictures().join(format!("{name}.svg"));
        let picture = fs::read_to_string(&picture).unwrap_or_default();
        for panel in it.rows.iter().flat_map(|it| &it.panels) {
            // Long titles are cut.
            let begin: String = panel.title.chars().take(30).collect();
            if !picture.contains(&begin) {
                wrong.push(format!("{name}: {}", panel.title));
            }
        }
        if !document.contains(&format!("(dashboards/{name}.svg)")) {
            wrong.push(format!("{name} is not in docs/dashboards.md"));
        }
    }
    assert!(
        wrong.is_empty(),
        "run scripts/check-dashboards --draw: {wrong:#?}"
    );
}

#[test]
fn alerts_and_dashboards_link_to_the_same_runbooks() {
    let prometheus = root().join("observability/prometheus/prometheus.yml");
    let prometheus = fs::read_to_string(prometheus).expect("it is there");
    let mut lines = prometheus.lines().map(str::trim);
    let runbooks = lines.find_map(|it| it.strip_prefix("runbooks: "));
    let runbooks = runbooks.expect("it says where runbooks are");
    let overview = dashboards::all().swap_remove(0);
    let link = format!("{runbooks}/${{__value.text}}.md");
    assert!(dashboards::file(&overview).1.contains(&link), "{link}");
}

#[test]
fn dashboards_that_alerts_link_to_exist() {
    let uids: BTreeSet<_> = dashboards::all().iter().map(|it| it.uid).collect();
    let rules = root().join("observability/prometheus/rules");
    let mut found = 0;
    for file in fs::read_dir(rules).expect("there are rules") {
        let text = fs::read_to_string(file.expect("it can be listed").path()).expect("UTF-8");
        for rest in text.split("}}/d/").skip(1) {
            let uid = rest.split(['?', '"']).next().unwrap_or_default();
            assert!(uids.contains(uid), "{uid}");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}
