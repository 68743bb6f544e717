//! The classic JSON of a dashboard, as Grafana 12 reads it from a file.
//!
//! Only what Grafana's own schema knows: `dashboards/strict` checks it against that.

use serde_json::{Value, json};

use crate::model::{
    Annotation, Colour, Dashboard, Kind, Link, Panel, Query, Threshold, Unit, Variable,
};

/// The version of the classic schema.
const SCHEMA_VERSION: u32 = 42;
/// Columns of the grid.
const COLUMNS: u32 = 24;
/// Where alerts link to as well: the external label `runbooks` of observability/prometheus/prometheus.yml.
const RUNBOOKS: &str = "https://github.com/OWNER/REPO/blob/main/runbooks";
/// Of Prometheus, as it is provisioned.
const PROMETHEUS: &str = "prometheus";

/// The whole file.
pub(crate) fn dashboard(it: &Dashboard) -> Value {
    json!({
        "uid": it.uid,
        "title": it.title,
        "description": it.description,
        "tags": ["windtunnel"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": true,
        // One crosshair for all panels.
        "graphTooltip": 1,
        "refresh": "10s",
        "time": { "from": "now-15m", "to": "now" },
        "timezone": "browser",
        "links": [{
            "asDropdown": false,
            "icon": "external link",
            "includeVars": false,
            "keepTime": true,
            "tags": ["windtunnel"],
            "targetBlank": false,
            "title": "",
            "tooltip": "",
            "type": "dashboards",
            "url": "",
        }],
        "annotations": { "list": it.annotations.iter().map(annotation).collect::<Vec<_>>() },
        "templating": { "list": it.variables.iter().map(variable).collect::<Vec<_>>() },
        "panels": panels(it),
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": PROMETHEUS })
}

fn annotation(it: &Annotation) -> Value {
    json!({
        "datasource": source(),
        "enable": true,
        "expr": it.expr,
        "iconColor": colour(it.colour),
        "name": it.name,
        "titleFormat": it.text,
    })
}

/// As Grafana writes the query of such a variable, and as the panel test reads it.
pub(crate) fn listing(it: &Variable) -> String {
    format!("label_values({}, {})", it.metric, it.label)
}

fn variable(it: &Variable) -> Value {
    json!({
        "name": it.name,
        "type": "query",
        "datasource": source(),
        "definition": listing(it),
        "query": { "query": listing(it), "refId": it.name },
        // On each change of the time range: services come and go.
        "refresh": 2,
        // By name.
        "sort": 1,
        "multi": false,
        "includeAll": false,
        "allValue": ".*",
        "current": { "text": it.first, "value": it.first },
    })
}

/// Headings and panels, in the places that follow from their order and size.
fn panels(it: &Dashboard) -> Vec<Value> {
    let mut panels = Vec::new();
    let (mut y, mut id) = (0, 0..);
    let mut id = || id.next().expect("there are more numbers than panels");
    for row in &it.rows {
        let place = json!({ "x": 0, "y": y, "w": COLUMNS, "h": 1 });
        panels.push(json!({
            "type": "row", "id": id(), "title": row.title, "collapsed": false, "gridPos": place, "panels": [],
        }));
        y += 1;
        let (mut x, mut tallest) = (0, 0);
        for it in &row.panels {
            if x + it.width > COLUMNS {
                (x, y, tallest) = (0, y + tallest, 0);
            }
            let place = json!({ "x": x, "y": y, "w": it.width, "h": it.height });
            panels.push(panel(it, id(), &place));
            x += it.width;
            tallest = tallest.max(it.height);
        }
        y += tallest;
    }
    panels
}

fn panel(it: &Panel, id: u32, place: &Value) -> Value {
    let targets = it.queries.iter().zip('A'..);
    let mut panel = json!({
        "id": id,
        "type": kind(it.kind),
        "title": it.title,
        "description": it.description,
        "datasource": source(),
        "gridPos": place,
        "fieldConfig": { "defaults": field(it), "overrides": overrides(it) },
        "options": options(it.kind),
        "targets": targets.map(|(query, name)| target(it.kind, query, name)).collect::<Vec<_>>(),
    });
    if it.kind == Kind::Table {
        panel["transformations"] = json!([{ "id": "organize", "options": columns(it) }]);
    }
    panel
}

fn kind(it: Kind) -> &'static str {
    match it {
        Kind::TimeSeries => "timeseries",
        Kind::Heatmap => "heatmap",
        Kind::Stat => "stat",
        Kind::Table => "table",
    }
}

/// Ids of Grafana's units (`valueFormats` of `@grafana/data`).
fn unit(it: Unit) -> &'static str {
    match it {
        Unit::Seconds => "s",
        Unit::PerSecond => "cps",
        Unit::Share => "percentunit",
        Unit::Bytes => "bytes",
        Unit::Count => "short",
        Unit::Times => "none",
        Unit::Processors => "suffix:CPU",
    }
}

fn colour(it: Colour) -> &'static str {
    match it {
        Colour::Good => "green",
        Colour::Warning => "orange",
        Colour::Bad => "red",
        Colour::Note => "blue",
    }
}

fn field(it: &Panel) -> Value {
    let first = json!({ "color": colour(it.base), "value": null });
    let step = |it: &Threshold| json!({ "color": colour(it.colour), "value": it.from });
    let steps: Vec<_> = std::iter::once(first)
        .chain(it.thresholds.iter().map(step))
        .collect();
    let mut field = json!({
        "unit": unit(it.unit),
        "thresholds": { "mode": "absolute", "steps": steps },
        "color": { "mode": if it.kind == Kind::TimeSeries { "palette-classic" } else { "thresholds" } },
        "custom": custom(it),
    });
    if !it.negative {
        field["min"] = json!(0);
    }
    if it.kind == Kind::Stat {
        // It draws no field of its own.
        field["custom"] = json!({});
    }
    if let Some(most) = it.most {
        field["max"] = json!(most);
    }
    if let Some(quiet) = it.quiet {
        field["noValue"] = json!(quiet.says);
    }
    if it.kind != Kind::Table && !it.links.is_empty() {
        let label = |it| format!("${{__field.labels.{}}}", label_of(it).unwrap_or_default());
        field["links"] = it.links.iter().map(|it| link(*it, &label(*it))).collect();
    }
    if !it.words.is_empty() {
        let words = it.words.iter().map(|(value, text, meant)| {
            let result = json!({ "text": text, "color": colour(*meant) });
            (value.to_string(), result)
        });
        let options: serde_json::Map<_, _> = words.collect();
        field["mappings"] = json!([{ "type": "value", "options": options }]);
    }
    field
}

fn custom(it: &Panel) -> Value {
    match it.kind {
        Kind::TimeSeries => {
            let style = if it.thresholds.is_empty() {
                "off"
            } else {
                "dashed"
            };
            json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 8,
                "showPoints": "never",
                "thresholdsStyle": { "mode": style },
            })
        }
        Kind::Table => json!({ "align": "auto", "inspect": false }),
        Kind::Heatmap => json!({ "scaleDistribution": { "type": "linear" } }),
        Kind::Stat => json!({}),
    }
}

fn options(it: Kind) -> Value {
    match it {
        Kind::TimeSeries => json!({
            "legend": {
                "calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": true,
            },
            "tooltip": { "mode": "multi", "sort": "desc" },
        }),
        Kind::Heatmap => json!({
            "calculate": false,
            "cellGap": 1,
            "color": {
                "mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "scale": "exponential", "exponent": 0.5,
                "steps": 64, "reverse": false,
            },
            "exemplars": { "color": "rgba(255,0,255,0.7)" },
            "legend": { "show": true },
            "rowsFrame": { "layout": "auto" },
            "showValue": "never",
            "tooltip": { "mode": "single", "yHistogram": true, "showColorScale": false },
            "yAxis": { "unit": "s", "axisPlacement": "left", "reverse": false },
        }),
        Kind::Stat => json!({
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            "showPercentChange": false,
            "textMode": "value_and_name",
            "wideLayout": true,
        }),
        Kind::Table => json!({ "frameIndex": 0, "showHeader": true, "cellHeight": "sm" }),
    }
}

fn target(kind: Kind, it: &Query, name: char) -> Value {
    let instant = kind == Kind::Table;
    let format = match kind {
        Kind::Table => "table",
        Kind::Heatmap => "heatmap",
        Kind::TimeSeries | Kind::Stat => "time_series",
    };
    json!({
        "refId": name.to_string(),
        "datasource": source(),
        "editorMode": "code",
        "expr": it.expr,
        "legendFormat": it.legend,
        "format": format,
        "instant": instant,
        "range": !instant,
        "exemplar": it.exemplars,
    })
}

/// Which columns a table has, in which order and under which headings.
fn columns(it: &Panel) -> Value {
    let (labels, value) = it.columns;
    let renamed = labels.iter().copied().chain([("Value", value)]);
    let order = labels.iter().map(|it| it.0).chain(["Value"]).zip(0..);
    json!({
        "excludeByName": { "Time": true },
        "indexByName": order.map(|(name, at)| (name.to_owned(), json!(at))).collect::<serde_json::Map<_, _>>(),
        "renameByName": renamed.map(|(name, heading)| (name.to_owned(), json!(heading))).collect::<serde_json::Map<_, _>>(),
    })
}

/// In a table only the column that names the target leads there.
fn overrides(it: &Panel) -> Vec<Value> {
    if it.kind != Kind::Table {
        return Vec::new();
    }
    let (labels, _) = it.columns;
    let linked = it.links.iter().filter_map(|to| {
        let heading = labels
            .iter()
            .find(|(label, _)| Some(*label) == label_of(*to))?
            .1;
        Some(json!({
            "matcher": { "id": "byName", "options": heading },
            "properties": [{ "id": "links", "value": [link(*to, "${__value.text}")] }],
        }))
    });
    linked.collect()
}

/// The label that names where a link leads.
fn label_of(it: Link) -> Option<&'static str> {
    match it {
        Link::Service => Some("service"),
        Link::Callee => Some(telemetry::names::SERVER_ADDRESS),
        Link::Consumer => Some(telemetry::names::MESSAGING_CONSUMER_GROUP_NAME),
        Link::Runbook => Some("alertname"),
        Link::Objective => Some("slo"),
        Link::Dashboard(..) => None,
    }
}

/// A link; `value` is what Grafana puts the label in for.
fn link(it: Link, value: &str) -> Value {
    let (title, url) = match it {
        Link::Service | Link::Callee | Link::Consumer => (
            format!("Dashboard of {value}"),
            format!("/d/windtunnel-service?var-service={value}&${{__url_time_range}}"),
        ),
        Link::Objective => (
            format!("What is left of {value}"),
            format!("/d/windtunnel-slo?var-slo={value}&${{__url_time_range}}"),
        ),
        Link::Dashboard(uid, title) => {
            (title.to_owned(), format!("/d/{uid}?${{__url_time_range}}"))
        }
        Link::Runbook => (
            format!("What to do about {value}"),
            format!("{RUNBOOKS}/{value}.md"),
        ),
    };
    json!({ "title": title, "url": url, "targetBlank": it == Link::Runbook })
}
