//! The files of the crate use each other in one direction only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The list in the crate's documentation, from the bottom up.
fn order(lib: &str) -> Vec<&str> {
    let listed = lib.lines().filter_map(|it| it.strip_prefix("//! - "));
    let names = listed.filter_map(|it| Some(it.split_once(": ")?.0));
    names
        .flat_map(|it| it.split(", "))
        .map(|it| it.trim_matches(['[', ']', '`']))
        .collect()
}

/// What a file names as `PREFIX::NAME` or inside `PREFIX::{…}`.
fn used<'a>(source: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let mut used = BTreeSet::new();
    for rest in source.split(&format!("{prefix}::")).skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            used.insert(first_word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = 0;
        for (at, character) in list.char_indices() {
            match (character, depth) {
                ('{', _) => depth += 1,
                (',' | '}', 0) => {
                    used.insert(first_word(list[start..at].trim_start()));
                    start = at + 1;
                    if character == '}' {
                        break;
                    }
                }
                ('}', _) => depth -= 1,
                _ => (),
            }
        }
    }
    used.remove("");
    used
}

fn first_word(text: &str) -> &str {
    let end = text.find(|it: char| !it.is_alphanumeric() && it != '_');
    &text[..end.unwrap_or(text.len())]
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_module_uses_one_that_stands_below_it_in_the_list() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).expect("lib.rs");
    let order = order(&lib);
    let place = |module: &str| order.iter().position(|it| *it == module);
    let mut found = Vec::new();
    files(&src, &mut found);
    let mut wrong = Vec::new();
    for path in found {
        let own = path.strip_prefix(&src).expect("below it");
        let module = own.iter().next().expect("a name").to_string_lossy();
        let module = module.trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let Some(at) = place(module) else {
            wrong.push(format!("{module} is not in the list"));
            continue;
        };
        let source = fs::read_to_string(&path).expect("a source");
        for other in used(&source, "crate") {
            if place(other).is_none_or(|it| it > at) {
                wrong.push(format!("{} uses {other}", own.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A file in a folder uses its neighbours and not the file that the folder belongs to, which uses it.
#[test]
fn no_files_of_a_folder_use_each_other() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    let mut folders: BTreeMap<PathBuf, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for path in found {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let folder = path.parent().expect("a folder");
        if folder == src || name == "tests" || folder.ends_with("tests") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("a source");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let others = used(source, "super").into_iter().map(str::to_owned);
        let files = folders.entry(folder.to_owned()).or_default();
        files.insert(name.into_owned(), others.collect());
    }
    for (folder, mut files) in folders {
        // Takes away whatever uses nothing that is left.
        loop {
            let left: BTreeSet<_> = files.keys().cloned().collect();
            files.retain(|_, others| {
                !others
                    .iter()
                    .all(|it| !left.contains(it) && is_file(&folder, it))
            });
            if files.len() == left.len() {
                break;
            }
        }
        assert!(files.is_empty(), "in {}: {files:#?}", folder.display());
    }
}

fn is_file(folder: &Path, name: &str) -> bool {
    folder.join(name).with_extension("rs").is_file()
}

#[test]
fn uses_are_found_however_they_are_written() {
    let source = "use crate::{\n    http,\n    engine::{Attempt, mix::Mix},\n    verdict::Check,\n};\nlet x = crate::statistics::to_f64(1);";
    let expected = ["engine", "http", "statistics", "verdict"];
    assert_eq!(used(source, "crate"), expected.into());
    assert_eq!(used("use super::{a::B, c};", "super"), ["a", "c"].into());
}
