//! The guide's map has every point of the guide, and no empty cell. That its links lead somewhere is for `documents.rs`.

use std::{fs, path::Path};

/// The guide's headings, each with the number of its points.
const GUIDE: [(&str, usize); 7] = [
    ("마이크로서비스 아키텍처란?", 4),
    ("MSA의 특징", 5),
    ("MSA와 모놀리식 아키텍처 비교", 7),
    ("MSA의 장점", 5),
    ("MSA의 단점", 5),
    ("MSA 구현 시 고려사항", 14),
    ("대규모 트래픽 환경에서의 MSA", 11),
];

/// What is not built yet would be said with this word.
const LATER: &str = "later";

#[test]
fn every_point_of_the_guide_has_its_place() {
    let map = map();
    let found: Vec<_> = map
        .iter()
        .map(|(heading, rows)| (heading.as_str(), rows.len()))
        .collect();
    assert_eq!(found, GUIDE);
}

#[test]
fn no_cell_is_empty() {
    for (heading, rows) in map() {
        for row in rows {
            assert_eq!(row.len(), 6, "{heading}: {row:?}");
            assert!(
                row.iter().all(|it| it.chars().any(char::is_alphanumeric)),
                "{heading}: {row:?}"
            );
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    let map = map();
    let cells = map.iter().flat_map(|it| &it.1).flatten();
    let later: Vec<_> = cells.filter(|it| it.contains(LATER)).collect();
    assert!(later.is_empty(), "{later:?}");
}

/// Each second heading with the rows of its table.
fn map() -> Vec<(String, Vec<Vec<String>>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide-map.md");
    let text = fs::read_to_string(path).expect("the map");
    let mut map: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            map.push((heading.to_owned(), Vec::new()));
        } else if let (Some(row), Some((_, rows))) = (line.strip_prefix("| "), map.last_mut()) {
            let cells = row
                .trim_end_matches('|')
                .split('|')
                .map(|it| it.trim().to_owned());
            rows.push(cells.collect());
        }
    }
    // The first row of a table names its columns.
    for (_, rows) in &mut map {
        rows.remove(0);
    }
    map
}
