//! Just enough of `PromQL` to find the metrics and labels that a query names.

use std::collections::BTreeSet;

/// Words that are neither metrics nor functions.
const WORDS: [&str; 9] = [
    "and", "or", "unless", "bool", "offset", "inf", "nan", "atan2", "e",
];
/// Words before a list of labels.
const LISTS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// Names of the metrics in a query.
pub(crate) fn metrics(query: &str) -> BTreeSet<String> {
    let query = unquoted(query);
    let query = without_blocks(&query, '{', '}');
    let query = without_blocks(&query, '[', ']');
    let query = without_lists(&query);
    let mut found = BTreeSet::new();
    for (word, rest) in words(&query) {
        let function = rest.trim_start().starts_with('(');
        if !function && !WORDS.contains(&word) && !LISTS.contains(&word) {
            found.insert(word.to_owned());
        }
    }
    // `sum by (a) (x)`: an operator before a list.
    found.retain(|it| !OPERATORS.contains(&it.as_str()));
    found
}

/// Names of the labels that the selectors and lists of a query ask for.
pub(crate) fn labels(query: &str) -> BTreeSet<String> {
    let query = unquoted(query);
    let mut found = BTreeSet::new();
    let blocks = query
        .split('{')
        .skip(1)
        .filter_map(|it| it.split('}').next());
    for block in blocks {
        found.extend(words(block).into_iter().map(|(word, _)| word.to_owned()));
    }
    for (word, rest) in words(&query) {
        if let Some(list) = rest.trim_start().strip_prefix('(')
            && LISTS.contains(&word)
        {
            let list = list.split(')').next().unwrap_or_default();
            found.extend(words(list).into_iter().map(|(word, _)| word.to_owned()));
        }
    }
    found
}

const OPERATORS: [&str; 10] = [
    "sum", "min", "max", "avg", "count", "group", "stddev", "topk", "bottomk", "quantile",
];

fn unquoted(query: &str) -> String {
    let mut parts = query.split('"');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        if index % 2 == 1 {
            out.push_str(part);
        }
    }
    out
}

fn without_blocks(query: &str, open: char, close: char) -> String {
    let mut parts = query.split(open);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push(' ');
        out.push_str(part.split_once(close).map_or("", |it| it.1));
    }
    out
}

fn without_lists(query: &str) -> String {
    let mut out = String::new();
    let mut rest = query;
    while let Some((word, after)) = words(rest)
        .into_iter()
        .find(|(word, after)| LISTS.contains(word) && after.trim_start().starts_with('('))
    {
        let end = rest.len() - after.len();
        out.push_str(&rest[..end - word.len()]);
        out.push(' ');
        rest = after.split_once(')').map_or("", |it| it.1);
    }
    out.push_str(rest);
    out
}

/// Every word with what comes after it.
fn words(text: &str) -> Vec<(&str, &str)> {
    let part = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(part) {
        let from = &rest[begin..];
        let end = from.find(|it| !part(it)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        if word.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_') {
            found.push((word, after));
        }
        rest = after;
    }
    found
}

#[test]
fn metrics_and_labels_are_found_and_nothing_else() {
    let query = r#"(
      max by (service, cache) (rate(a_total{x="y", z=~"up|b"}[5m])) * on (service) group_left (team) c:d:info
      / ignoring (le) e_count offset 5m > 0.5e3
    ) unless sum(f) or vector(1) "#;
    let set = |it: &[&str]| -> BTreeSet<String> { it.iter().map(|it| (*it).to_owned()).collect() };
    assert_eq!(
        metrics(query),
        set(&["a_total", "c:d:info", "e_count", "f"])
    );
    assert_eq!(
        labels(query),
        set(&["service", "cache", "x", "z", "team", "le"])
    );
}
