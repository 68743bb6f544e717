//! Which versions of which conventions all names follow, and what each kind of telemetry has to say of itself.

use std::sync::LazyLock;

/// OpenTelemetry semantic conventions, of spans and metrics.
/// <https://github.com/open-telemetry/semantic-conventions/tree/v1.40.0>
pub const SEMCONV_VERSION: &str = "1.40.0";
/// The same, as resources and scopes of spans tell it.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.40.0";
/// Elastic Common Schema, of lines. <https://www.elastic.co/docs/reference/ecs>
pub const ECS_VERSION: &str = "9.2.0";

const TABLES: &str = include_str!("../conventions.md");

static RESOURCE: LazyLock<Vec<Names>> = LazyLock::new(|| table("Resource"));
static SPANS: LazyLock<Vec<Names>> = LazyLock::new(|| table("Spans"));
static METRICS: LazyLock<Vec<Names>> = LazyLock::new(|| table("Metrics"));
static LINES: LazyLock<Vec<Names>> = LazyLock::new(|| table("Lines"));

/// The names that one kind of telemetry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Such as `HTTP server`, or the name of a metric.
    pub kind: &'static str,
    always: Vec<&'static str>,
    failed: Vec<&'static str>,
    sometimes: Vec<&'static str>,
}

/// What a resource says.
pub fn resource() -> &'static Names {
    &RESOURCE[0]
}

/// What a span of this kind says: `HTTP server`, `gRPC server`, `HTTP client`, `gRPC client`, `rejected call`, `database client`,
/// `producer` or `consumer`.
pub fn span(kind: &str) -> Option<&'static Names> {
    SPANS.iter().find(|it| it.kind == kind)
}

/// The labels of a metric by its full name, without that of a histogram's buckets.
pub fn metric(name: &str) -> Option<&'static Names> {
    METRICS.iter().find(|it| it.kind == name)
}

/// What a line of this kind says: `access, HTTP`, `access, gRPC`, `process` or `event`.
pub fn line(kind: &str) -> Option<&'static Names> {
    LINES.iter().find(|it| it.kind == kind)
}

impl Names {
    /// What it has in any case.
    pub fn required(&self) -> &[&'static str] {
        &self.always
    }

    /// What is wrong with `found`, said of something that `failed` or did not: `error.type is missing`.
    pub fn faults<'a>(
        &self,
        failed: bool,
        found: impl Iterator<Item = &'a str> + Clone,
    ) -> Vec<String> {
        let has = |name: &str| found.clone().any(|it| it == name);
        let mut faults = Vec::new();
        let required = self.always.iter();
        for name in required.chain(self.failed.iter().filter(|_| failed)) {
            if !has(name) {
                faults.push(format!("{name} is missing"));
            }
        }
        for name in found {
            let only_then = self.failed.contains(&name) && !self.sometimes.contains(&name);
            if !failed && only_then {
                faults.push(format!("{name} is there, and nothing failed"));
            } else if !self.knows(name) {
                faults.push(format!("{name} is not in the table"));
            }
        }
        faults
    }

    fn knows(&self, name: &str) -> bool {
        let mut known = self
            .always
            .iter()
            .chain(&self.failed)
            .chain(&self.sometimes);
        known.any(|it| match it.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => *it == name,
        })
    }
}

/// The rows of the table below `heading`: of each cell, what stands between backticks.
fn table(heading: &str) -> Vec<Names> {
    let mark = format!("## {heading}\n");
    let (_, below) = TABLES.split_once(&mark).expect("a heading for each table");
    let section = below.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|it| it.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(|cell| {
            let names = cell.split('`').skip(1).step_by(2);
            names.collect::<Vec<_>>()
        });
        let mut cell = || cells.next().unwrap_or_default();
        Names {
            kind: cell()[0],
            always: cell(),
            failed: cell(),
            sometimes: cell(),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The text constants of a source file.
    fn constants(source: &'static str) -> BTreeSet<&'static str> {
        let declared = source.lines().filter(|it| it.starts_with("pub const "));
        let texts = declared.filter_map(|it| it.split_once(": &str = \"")?.1.strip_suffix("\";"));
        texts.collect()
    }

    fn all(tables: &[&Vec<Names>]) -> BTreeSet<&'static str> {
        let rows = tables.iter().copied().flatten();
        rows.flat_map(|it| [&it.always, &it.failed, &it.sometimes])
            .flatten()
            .copied()
            .collect()
    }

    #[test]
    fn the_tables_have_the_names_of_the_code_and_no_others() {
        let attributes = constants(include_str!("attributes.rs"));
        let mut in_tables = all(&[&*RESOURCE, &*SPANS]);
        // The SDK writes these three.
        in_tables.retain(|it| !it.starts_with("telemetry.sdk.") && *it != "*");
        assert_eq!(in_tables, attributes);
        let names = constants(include_str!("names.rs"));
        let mut in_tables = all(&[&*METRICS]);
        in_tables.extend(METRICS.iter().map(|it| it.kind));
        // Labels of one crate each, which their types name.
        let own = [
            "cache",
            "result",
            "scope",
            "source",
            "class",
            "outcome",
            "service",
            "state",
            "reason",
            "decision",
            "experiment",
            "arm",
            "phase",
            "step",
            // As kube-state-metrics has them.
            "namespace",
            "horizontalpodautoscaler",
            "condition",
            "status",
            "metric_name",
            "metric_target_type",
        ];
        assert_eq!(
            in_tables,
            names.into_iter().chain(own).collect::<BTreeSet<_>>()
        );
        let mut fields = constants(include_str!("fields.rs"));
        fields.remove("labels.");
        let mut in_tables = all(&[&*LINES]);
        in_tables.remove("labels.*");
        assert_eq!(in_tables, fields);
    }

    #[test]
    fn the_tables_are_written_from_the_versions_that_the_code_states() {
        for version in [SEMCONV_VERSION, ECS_VERSION] {
            assert!(TABLES.contains(&format!(" {version} ")), "{version}");
        }
        assert!(SCHEMA_URL.ends_with(SEMCONV_VERSION));
    }

    #[test]
    fn a_name_that_is_missing_idle_or_unknown_is_a_fault() {
        let names = span("database client").unwrap();
        let faults = |failed, found: &[&str]| names.faults(failed, found.iter().copied());
        let good = ["db.system.name", "db.operation.name"];
        assert_eq!(faults(false, &good), [""; 0]);
        assert_eq!(faults(true, &good), ["error.type is missing"]);
        let failed = [good[0], good[1], "error.type"];
        assert_eq!(faults(true, &failed), [""; 0]);
        assert_eq!(
            faults(false, &failed),
            ["error.type is there, and nothing failed"]
        );
        assert_eq!(faults(false, &good[..1]), ["db.operation.name is missing"]);
        let more = [good[0], good[1], "db.statement"];
        assert_eq!(faults(false, &more), ["db.statement is not in the table"]);
        let line = line("event").unwrap();
        assert!(line.knows("labels.anything") && !line.knows("anything"));
    }
}
