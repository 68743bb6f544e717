//! The documents name only what exists (files, anchors of headings, paths in code), and name every sabotage patch.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a path begins with that is given from the root of the repository.
const FOLDERS: [&str; 12] = [
    ".ci/",
    "crates/",
    "dashboards/",
    "deploy/",
    "docs/",
    "loadtest/",
    "monolith/",
    "observability/",
    "runbooks/",
    "sabotage/",
    "scripts/",
    "services/",
];

/// The most lines of README.md, so that it stays an introduction and tables go to `docs/`.
const README_LINES: usize = 180;

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    let mut found = 0;
    for document in documents() {
        let folder = document.parent().expect("a file is in a folder");
        for link in links(&read(&document)) {
            found += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => document.clone(),
                _ => folder.join(path),
            };
            let leads = target.exists()
                && (anchor.is_empty() || anchors(&target).iter().any(|it| it == anchor));
            if !leads {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(found > 0, "no document has a link");
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut missing = Vec::new();
    let mut found = 0;
    for document in documents() {
        for path in paths(&read(&document)) {
            found += 1;
            if !exists(&root(), &path) {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(found > 0, "no document has a path");
    assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
}

#[test]
fn every_sabotage_patch_is_in_the_table() {
    let folder = root().join("sabotage");
    let table = read(&folder.join("README.md"));
    let patches = entries(&folder);
    let names = patches.iter().filter_map(|it| {
        let patch = it.extension().is_some_and(|it| it == "patch");
        patch.then(|| it.file_stem().expect("a file has a name").to_string_lossy())
    });
    let lacking: Vec<_> = names
        .filter(|it| !table.contains(&format!("| `{it}` |")))
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn the_readme_is_an_introduction() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines");
}

fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = crates.and_then(Path::parent);
    root.expect("this crate is in crates/").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// The Markdown files of the root, of the folders of documents, and of each crate.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let named = ["docs", "observability", "runbooks", "sabotage"];
    let mut folders = vec![root.clone()];
    folders.extend(named.map(|it| root.join(it)));
    folders.extend(entries(&root.join("crates")));
    let files = folders.iter().flat_map(|it| entries(it));
    files
        .filter(|it| it.extension().is_some_and(|it| it == "md"))
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("list {}: {error}", folder.display()))
        .map(|it| it.expect("the folder can be listed").path())
        .collect()
}

/// The lines of a text, and whether each is within a fenced block.
fn lines(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut fenced = false;
    text.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        Some((line, fenced))
    })
}

/// Where links lead, those to other sites left out.
fn links(text: &str) -> Vec<String> {
    let prose = lines(text).filter(|(_, fenced)| !fenced);
    prose
        .flat_map(|(line, _)| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link.to_owned()))
        .filter(|link| !link.contains("://"))
        .collect()
}

/// The anchors that GitHub gives the headings of a document.
fn anchors(document: &Path) -> Vec<String> {
    let text = read(document);
    let headings = lines(&text).filter(|(line, fenced)| !fenced && line.starts_with('#'));
    let slugs = headings.map(|(line, _)| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.replace(' ', "-");
        kept.replace(
            |it: char| !it.is_alphanumeric() && it != '-' && it != '_',
            "",
        )
    });
    slugs.collect()
}

/// The words in backticks and in fenced blocks that are paths from the root.
fn paths(text: &str) -> Vec<String> {
    let code = lines(text).flat_map(|(line, fenced)| {
        let spans = line.split('`');
        // All of a fenced line is code, of another what stands between backticks.
        let (skipped, step) = if fenced { (0, 1) } else { (1, 2) };
        spans.skip(skipped).step_by(step)
    });
    code.flat_map(str::split_whitespace)
        .filter(|word| FOLDERS.iter().any(|it| word.starts_with(it)))
        .map(|word| {
            word.trim_end_matches(['.', ',', ':', ';', ')', '"'])
                .to_owned()
        })
        .collect()
}

/// Whether a path exists, in which `*` stands for any one name.
fn exists(folder: &Path, path: &str) -> bool {
    match path.split_once("*/") {
        Some((before, after)) => entries(&folder.join(before))
            .iter()
            .any(|it| exists(it, after)),
        None => folder.join(path).exists(),
    }
}
