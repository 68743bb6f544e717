//! What dashboards ask, read from their files as Grafana reads them.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::Value;

/// A panel, a variable or the annotations of a dashboard, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Uid of the dashboard.
    pub dashboard: String,
    /// Title of the panel, or what else it is.
    pub what: String,
    /// What is asked.
    pub queries: Vec<AskedQuery>,
    /// Whether nothing may come of it.
    pub optional: bool,
}

/// A query as a file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedQuery {
    /// `PromQL`, or `label_values(…)` of a variable.
    pub expr: String,
    /// Whether exemplars are shown.
    pub exemplars: bool,
    /// Whether only the latest value is shown.
    pub instant: bool,
}

/// Reads what all files of a folder ask.
///
/// # Errors
/// A file that cannot be read, or is no JSON.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Asked>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut files: Vec<_> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    files.retain(|it| it.extension().is_some_and(|it| it == "json"));
    files.sort();
    anyhow::ensure!(!files.is_empty(), "no dashboard in {}", folder.display());
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let dashboard =
            serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))?;
        all.extend(asked(&dashboard));
    }
    Ok(all)
}

fn asked(dashboard: &Value) -> Vec<Asked> {
    let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let uid = text(&dashboard["uid"]);
    let one = |what: String, queries: Vec<AskedQuery>, optional| Asked {
        dashboard: uid.clone(),
        what,
        queries,
        optional,
    };
    let query = |expr: String| AskedQuery {
        expr,
        exemplars: false,
        instant: false,
    };
    let variables = list(&dashboard["templating"]["list"]);
    let variables = variables.iter().map(|it| {
        let listing = query(text(&it["query"]["query"]));
        one(format!("${}", text(&it["name"])), vec![listing], false)
    });
    let annotations = list(&dashboard["annotations"]["list"]);
    let annotations = annotations.iter().map(|it| {
        one(
            format!("annotation {}", text(&it["name"])),
            vec![query(text(&it["expr"]))],
            true,
        )
    });
    let panels = list(&dashboard["panels"]);
    let panels = panels.iter().filter(|it| it["type"] != "row").map(|panel| {
        let queries = list(&panel["targets"]).into_iter().map(|it| AskedQuery {
            expr: text(&it["expr"]),
            exemplars: it["exemplar"] == true,
            instant: it["instant"] == true,
        });
        one(text(&panel["title"]), queries.collect(), false)
    });
    variables.chain(annotations).chain(panels).collect()
}
