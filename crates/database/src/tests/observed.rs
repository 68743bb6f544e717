//! The rule of which queries are observed, held over the whole workspace.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Who may ask without a sample, and why.
const UNOBSERVED: [(&str, &str); 7] = [
    (
        "crates/messaging/src/broker/sqlite.rs",
        "the embedded broker is seen as messaging",
    ),
    (
        "crates/messaging/src/broker/sqlite/overhear.rs",
        "so is what is overheard",
    ),
    (
        "crates/messaging/src/relay.rs",
        "looks for events and for old ids",
    ),
    ("crates/messaging/src/lib.rs", "the gauge of the outbox"),
    (
        "services/orders/src/store.rs",
        "the gauge of pending orders",
    ),
    (
        "services/orders/src/saga.rs",
        "looks for overdue orders and for old keys",
    ),
    (
        "services/orders/src/backfill.rs",
        "looks for orders of the version before",
    ),
];

/// Who may go past [`query`](crate::query) altogether.
const PAST_QUERY: [(&str, &str); 4] = [
    ("crates/database/src/", "what queries are made of"),
    ("crates/messaging/src/broker/place.rs", "brokers of tests"),
    ("crates/testbed/src/", "makes the databases of tests"),
    (
        "services/search/src/",
        "an index that is no database: each use of it is one operation",
    ),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The code of every crate and service, without its tests, by its path.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap();
    let mut found = Vec::new();
    for group in ["crates", "services"] {
        for entry in fs::read_dir(root.join(group)).unwrap() {
            sources(&entry.unwrap().path().join("src"), &mut found);
        }
    }
    let of = |it: PathBuf| {
        let text = fs::read_to_string(&it).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let path = it.strip_prefix(&root).unwrap().display().to_string();
        (path, code.to_owned())
    };
    let code: Vec<_> = found.into_iter().map(of).collect();
    assert!(code.len() > 100, "{}", code.len());
    code
}

#[test]
fn only_looks_gauges_and_the_embedded_broker_ask_unobserved() {
    let users = |(path, code): (String, String)| {
        let uses = code.contains("unobserved(") && !path.starts_with("crates/database/");
        uses.then_some(path)
    };
    let mut users: Vec<_> = code().into_iter().filter_map(users).collect();
    let mut known: Vec<_> = UNOBSERVED.iter().map(|it| it.0).collect();
    users.sort_unstable();
    known.sort_unstable();
    assert_eq!(users, known);
}

/// Replicas of this version would fail as soon as the next one adds a column: `PostgreSQL` refuses a prepared statement whose columns
/// have become others ("cached plan must not change result type"), and the thread that serves `SQLite` panics over one.
#[test]
fn queries_name_the_columns_that_they_return() {
    let all = ["SELECT *", "RETURNING *", ".*, "];
    for (path, code) in code() {
        if path.contains("/tests/") {
            continue;
        }
        let found = all.iter().find(|it| code.contains(**it));
        assert_eq!(found, None, "{path}");
    }
}

#[test]
fn nobody_asks_a_database_past_its_queries() {
    for (path, code) in code() {
        let test = path.ends_with("tests.rs") || path.contains("/tests/");
        let known = PAST_QUERY.iter().any(|it| path.starts_with(it.0));
        let past = code.contains("sqlx::query") || code.contains("QueryBuilder");
        assert!(test || known || !past, "{path}");
    }
}
