//! Where everything stands in the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

use crate::{owners, rules, table};

/// Recording rules and burn rate alerts.
pub const SLO_RULES: &str = "observability/prometheus/rules/slo.yml";
/// Who owns a service, as series.
pub const OWNER_RULES: &str = "observability/prometheus/rules/owners.yml";
/// All other alerts, written by hand.
pub const ALERTS: &str = "observability/prometheus/rules/alerts.yml";
/// Where alerts go.
pub const ALERTMANAGER: &str = "observability/alertmanager/alertmanager.yml";
/// Where all rules are.
const RULES: &str = "observability/prometheus/rules";

/// The root of the repository in which this crate was built.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is in crates/").to_owned()
}

/// Reads a file.
pub fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// Every file that follows from objectives and owners, with what it should hold.
pub fn generated(root: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let (slos, teams) = (crate::shop(), crate::teams());
    for slo in slos {
        let owned = teams.of(&slo.service).is_some();
        ensure!(owned, "{} has no owner", slo.service);
    }
    let readme = read(&root.join("README.md"))?;
    let readme = table::put(&readme, slos).context("README.md has no place for the table")?;
    Ok(vec![
        (SLO_RULES, rules::slo_rules(slos, teams)),
        (OWNER_RULES, rules::owner_rules(teams)),
        ("CODEOWNERS", owners::codeowners(teams)),
        ("README.md", readme),
    ])
}

/// Every page of `runbooks/` with its name, the name of its alert; README.md too.
pub fn pages(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let folder = root.join("runbooks");
    let files = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    let mut pages = Vec::new();
    for file in files {
        let path = file?.path();
        let name = path.file_stem().context("a file has a name")?;
        pages.push((name.display().to_string(), read(&path)?));
    }
    pages.sort();
    Ok(pages)
}

/// Every file in which there is time to be scaled: all rules, and where alerts go.
pub fn timed(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join(RULES);
    let files = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    let mut timed = vec![ALERTMANAGER.to_owned()];
    for file in files {
        let name = file?.file_name();
        // What else is there, such as a kustomization.yaml, Prometheus does not read either: rule_files are rules/*.yml.
        if Path::new(&name).extension().is_some_and(|it| it == "yml") {
            timed.push(format!("{RULES}/{}", name.display()));
        }
    }
    timed.sort();
    Ok(timed)
}
