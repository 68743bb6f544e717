//! The autoscalers that are given to a cluster are those that this workspace can read: no field is unknown to it, and none would be
//! refused.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hpa::HorizontalPodAutoscaler;

#[test]
fn every_autoscaler_of_a_cluster_can_be_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    find(&root.join("deploy"), &mut paths);
    let mut scaled: Vec<_> = paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a file that was just listed");
            let read = HorizontalPodAutoscaler::from_yaml(&text);
            let autoscaler = read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            autoscaler.spec.scale_target_ref.name
        })
        .collect();
    scaled.sort();
    assert_eq!(scaled, ["gateway", "search"]);
}

/// Adds every `hpa.yaml` below `folder`.
fn find(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("list {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            find(&path, paths);
        } else if path.file_name().is_some_and(|it| it == "hpa.yaml") {
            paths.push(path);
        }
    }
}
