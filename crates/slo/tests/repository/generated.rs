//! What follows from `slo.yaml` and `owners.yaml` is committed as it follows.

use std::fs;

use slo::files;

/// Writes what is stale and fails, so that the next run passes and the difference can be looked at.
#[test]
fn generated_files_are_up_to_date() {
    let root = files::root();
    let mut stale = Vec::new();
    for (path, expected) in files::generated(&root).unwrap() {
        let path = root.join(path);
        if fs::read_to_string(&path).ok().as_ref() != Some(&expected) {
            fs::write(&path, expected).unwrap();
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "stale, written again: {stale:?}");
}
