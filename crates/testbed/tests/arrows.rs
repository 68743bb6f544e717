//! Crates depend on each other as the table in ARCHITECTURE.md allows, and in no other way.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use serde_json::Value;

/// What the head of the table says.
const HEAD: &str = "| crate | may depend on |";
/// What the gateway is built without: clients of databases, brokers, caches and search engines.
const BACKENDS: [&str; 7] = [
    "sqlx",
    "lapin",
    "rdkafka",
    "redis",
    "memcache",
    "moka",
    "elasticsearch",
];

/// Names by the name of a crate.
type Arrows = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// Which crates of the workspace each of them names under `[dependencies]` and `[build-dependencies]`.
fn found() -> Arrows {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let text = |it: &Value| it.as_str().expect("a name is a text").to_owned();
    let arrows = packages.iter().map(|package| {
        let all = package["dependencies"].as_array().expect("a list");
        let ours = all.iter().filter(|it| it["path"].is_string());
        let ours = ours.filter(|it| it["kind"] != "dev");
        let to = ours.map(|it| text(&it["name"])).collect();
        (text(&package["name"]), to)
    });
    arrows.collect()
}

/// The rows below [`HEAD`]: the name in the first column, and all names in the second.
fn allowed(document: &str) -> Arrows {
    let rows = document.lines().skip_while(|it| *it != HEAD).skip(2);
    let rows = rows.take_while(|it| it.starts_with('|'));
    let arrows = rows.map(|row| {
        let names: Vec<_> = row
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        let (name, to) = names.split_first().expect("a row names a crate");
        (name.clone(), to.iter().cloned().collect())
    });
    arrows.collect()
}

/// What is wrong, a line each.
fn complaints(found: &Arrows, allowed: &Arrows) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, to) in found {
        let Some(allowed) = allowed.get(name) else {
            complaints.push(format!("{name} is not in the table"));
            continue;
        };
        let forbidden = to.difference(allowed);
        complaints.extend(forbidden.map(|it| format!("{name} -> {it} is not allowed")));
    }
    let named = allowed
        .iter()
        .flat_map(|(name, to)| to.iter().chain([name]));
    let named: BTreeSet<_> = named.filter(|it| !found.contains_key(*it)).collect();
    complaints.extend(
        named
            .into_iter()
            .map(|it| format!("there is no crate {it}")),
    );
    complaints
}

#[test]
fn crates_depend_on_what_the_table_allows() {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is there");
    let complaints = complaints(&found(), &allowed(&document));
    assert!(complaints.is_empty(), "ARCHITECTURE.md: {complaints:#?}");
}

#[test]
fn the_gateway_is_built_without_clients_of_backing_services() {
    let arguments = [
        "tree",
        "-p",
        "gateway",
        "-e",
        "normal,build",
        "--prefix",
        "none",
    ];
    // The resolver of names keeps what it was told in a moka of its own; nobody else may have one.
    let tree = cargo(&[&arguments[..], &["--prune", "hickory-resolver"]].concat());
    assert!(tree.starts_with("gateway "), "{tree}");
    let is_client = |line: &&str| {
        let name = line.split(' ').next().unwrap_or_default();
        let family = |it: &&str| name.strip_prefix(it).is_some_and(is_end_of_name);
        BACKENDS.iter().any(family)
    };
    let clients: Vec<_> = tree.lines().filter(is_client).collect();
    assert!(clients.is_empty(), "gateway -> ... -> {clients:?}");
}

/// `sqlx` is meant by `sqlx-core`, too.
fn is_end_of_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('-')
}

#[test]
fn a_forbidden_arrow_an_unknown_crate_and_a_missing_row_are_told() {
    let names = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
    let found = Arrows::from([
        ("cache".to_owned(), names(&["database"])),
        ("database".to_owned(), names(&[])),
        ("new".to_owned(), names(&[])),
    ]);
    let table = format!("{HEAD}\n|---|---|\n| `cache` | `gone` |\n| `database` | |\n\ntext `x`\n");
    assert_eq!(
        complaints(&found, &allowed(&table)),
        [
            "cache -> database is not allowed",
            "new is not in the table",
            "there is no crate gone",
        ]
    );
}
