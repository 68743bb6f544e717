//! What a run leaves behind: a page to look at, and a verdict for programs and for the terminal.

pub(crate) mod arm;
pub(crate) mod comparison;
pub(crate) mod document;
mod html;
mod junit;
mod replicas;
pub(crate) mod terminal;
mod waterfall;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use document::Document;

use crate::run_dir::RunDir;

/// Writes `report.html`, `verdict.json` and `junit.xml` into the run directory.
pub(crate) fn write(run_dir: &RunDir, document: &Document) -> anyhow::Result<()> {
    run_dir.write("report.html", html::page(document)?)?;
    let verdict = serde_json::to_string_pretty(&document.without_details())?;
    run_dir.write("verdict.json", verdict)?;
    run_dir.write("junit.xml", junit::document(document))?;
    Ok(())
}

/// Says where the newest report is, or has the desktop open it.
pub(crate) fn show_newest(runs: &Path, open: bool) -> anyhow::Result<()> {
    let report = newest(runs).with_context(|| {
        format!(
            "find a report in {}: run an experiment first",
            runs.display()
        )
    })?;
    if !open {
        writeln!(io::stdout(), "{}", report.display())?;
        return Ok(());
    }
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let status = std::process::Command::new(opener).arg(&report).status();
    let opened =
        status.with_context(|| format!("run {opener}: open {} yourself", report.display()))?;
    anyhow::ensure!(
        opened.success(),
        "{opener} could not open {}",
        report.display()
    );
    Ok(())
}

/// The report of the newest run that has one: `up` and `bench` leave none. Names of runs begin with their time.
fn newest(runs: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(runs).ok()?.filter_map(Result::ok);
    let real = entries.filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
    let reports = real.map(|it| it.path().join("report.html"));
    let newest = reports.filter(|it| it.exists()).max()?;
    newest.canonicalize().ok()
}
