//! `slo write` writes all files that follow from objectives and owners; `slo scale BY FOLDER` writes rules and Alertmanager's
//! configuration into a folder with all time divided by BY; `slo routes` prints with which labels each alert may come, after the receiver it
//! should arrive at; `slo queries` prints the queries of all pages in `runbooks/` as a file of rules, for promtool to read.

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use slo::{alert, files, runbook, scale};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let root = files::root();
    match arguments[..] {
        ["write"] => {
            for (path, text) in files::generated(&root)? {
                write(&root.join(path), &text)?;
            }
            Ok(())
        }
        ["scale", by, folder] => {
            let by: f64 = by.parse().context("BY is a number")?;
            for path in files::timed(&root)? {
                let text = files::read(&root.join(&path))?;
                write(&Path::new(folder).join(path), &scale::scaled(&text, by))?;
            }
            Ok(())
        }
        ["routes"] => routes(&root),
        ["queries"] => queries(&root),
        _ => bail!("usage: slo write | slo scale BY FOLDER | slo routes | slo queries"),
    }
}

fn routes(root: &Path) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for rules in [files::ALERTS, files::SLO_RULES] {
        let rules = alert::rules(&files::read(&root.join(rules))?)?;
        for it in alert::arrivals(&rules, slo::shop(), slo::teams()) {
            write!(out, "{}", it.receiver)?;
            for (name, value) in it.labels {
                write!(out, " {name}={value}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

fn queries(root: &Path) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "groups:\n  - name: pages\n    rules:")?;
    for (page, text) in files::pages(root)? {
        let queries = runbook::fences(&text).into_iter();
        let queries = queries.filter(|it| it.kind == "promql");
        for (number, query) in queries.enumerate() {
            writeln!(out, "      - record: {page}:{number}\n        expr: |")?;
            for line in query.code.lines() {
                writeln!(out, "          {line}")?;
            }
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
