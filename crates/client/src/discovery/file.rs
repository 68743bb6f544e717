//! Replicas from a file that Prometheus reads too.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, de::IgnoredAny};

use super::{Findings, Known, STABLE};

/// How often the discovery file is looked at. Looking is one `stat`; only a changed file is read.
const POLL: Duration = Duration::from_millis(25);

/// A discovery file, and what was last seen of it.
pub(super) struct File {
    path: PathBuf,
    findings: Findings,
    seen: Option<(u64, SystemTime, u64)>,
}

impl File {
    /// Reads it once before it returns: a service's first call does not find that there is nobody to call.
    pub(super) fn read(path: PathBuf, findings: Findings) -> Self {
        let mut file = Self {
            path,
            findings,
            seen: None,
        };
        file.look();
        file
    }

    /// Looks at it again and again.
    pub(super) async fn follow(mut self) {
        while !self.findings.known.is_closed() {
            tokio::time::sleep(POLL).await;
            self.look();
        }
    }

    fn look(&mut self) {
        let now = fingerprint(&self.path);
        if now.is_none() || now == self.seen {
            return;
        }
        match read(&self.path, self.findings.service) {
            Ok(replicas) => self.findings.tell(replicas),
            // The last list stays: neither a typing error nor half a file may take the shop down.
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "discovery file unreadable");
            }
        }
        self.seen = now;
    }
}

/// Changes whenever the file does: a writer renames a new file into place.
fn fingerprint(path: &Path) -> Option<(u64, SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.modified().ok()?, metadata.len()))
}

/// A group of targets as Prometheus reads it, which knows these two fields. Targets without labels are none of ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(default, rename = "targets")]
    _targets: IgnoredAny,
    #[serde(default)]
    labels: HashMap<String, String>,
}

fn read(path: &Path, service: &str) -> io::Result<Vec<Known>> {
    // An empty file is no list but one that is being written: no replicas are `[]`.
    let groups: Vec<Group> = serde_json::from_str(&fs::read_to_string(path)?)?;
    groups
        .iter()
        .filter(|it| it.labels.get("service").is_some_and(|it| it == service))
        .map(|it| known(&it.labels).map_err(io::Error::other))
        .collect()
}

fn known(labels: &HashMap<String, String>) -> Result<Known, String> {
    let label = |name: &str| labels.get(name).map(String::as_str);
    let address = label("__service_address").unwrap_or_default();
    let weight = label("__service_weight").unwrap_or("1");
    let parsed: Option<f64> = weight.parse().ok();
    let parsed = parsed.filter(|it| it.is_finite() && *it >= 0.0);
    Ok(Known {
        address: address
            .parse()
            .map_err(|_| format!("{address:?} is not an address"))?,
        track: label("track").unwrap_or(STABLE).into(),
        weight: parsed.ok_or_else(|| format!("{weight:?} is not a weight"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{self, Source};

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("services.json");
        let write = |text: &str| {
            let new = dir.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, &path).unwrap();
        };
        let mut replicas = discovery::follow(&Source::File(path.clone()), "catalog").known;
        assert!(replicas.borrow().is_empty());
        write(
            r#"[{"targets":["127.0.0.1:9"],"labels":{"service":"catalog","__service_address":"127.0.0.1:8"}},
                {"targets":["127.0.0.1:7"],"labels":{"service":"users","__service_address":"127.0.0.1:6"}}]"#,
        );
        replicas.changed().await.unwrap();
        assert_eq!(**replicas.borrow_and_update(), [([127, 0, 0, 1], 8).into()]);
        write("{ broken");
        write("[]");
        replicas.changed().await.unwrap();
        assert!(replicas.borrow().is_empty());
    }

    #[test]
    fn a_target_without_our_labels_is_none_of_ours() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"[{"targets":["127.0.0.1:5"]}, {"targets":["127.0.0.1:4"],"labels":{"job":"node"}},
            {"labels":{"service":"catalog","__service_address":"127.0.0.1:3"}}]"#;
        fs::write(file.path(), text).unwrap();
        let found = read(file.path(), "catalog").unwrap();
        assert_eq!(found, [([127, 0, 0, 1], 3).into()]);
    }

    #[test]
    fn a_replica_is_of_the_stable_track_and_weighs_one_unless_its_labels_say_otherwise() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"[{"labels":{"service":"catalog","__service_address":"127.0.0.1:3"}},
            {"labels":{"service":"catalog","__service_address":"127.0.0.1:4","track":"canary","__service_weight":"0.25"}}]"#;
        fs::write(file.path(), text).unwrap();
        let canary = Known {
            track: "canary".into(),
            weight: 0.25,
            ..([127, 0, 0, 1], 4).into()
        };
        let found = read(file.path(), "catalog").unwrap();
        assert_eq!(found, [([127, 0, 0, 1], 3).into(), canary]);
    }

    #[tokio::test]
    async fn whoever_begins_to_follow_a_file_knows_what_is_in_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"[{"labels":{"service":"catalog","__service_address":"127.0.0.1:3"}}]"#;
        fs::write(file.path(), text).unwrap();
        let source = crate::discovery::Source::File(file.path().to_owned());
        let replicas = crate::discovery::follow(&source, "catalog");
        assert_eq!(**replicas.known(), [([127, 0, 0, 1], 3).into()]);
    }

    #[test]
    fn a_typing_error_is_no_list_without_replicas() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            r#"[{"labels":{"service":"catalog","__service_address":"127.0.0.1:3","__service_weight":"-1"}}]"#,
            r#"[{"labels":{"service":"catalog","__service_address":"127.0.0.1:3","__service_weight":"10 %"}}]"#,
            r#"[{"targets":["127.0.0.1:5"],"label":{"service":"catalog","__service_address":"127.0.0.1:3"}}]"#,
            r#"[{"targets":["127.0.0.1:5"],"labels":{"service":"catalog","__service_addres":"127.0.0.1:3"}}]"#,
        ] {
            fs::write(file.path(), text).unwrap();
            assert!(read(file.path(), "catalog").is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_empty_or_half_written_is_no_list() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let group = r#"[{"labels":{"service":"catalog","__service_address":"127.0.0.1:8"}}]"#;
        let found = |text: &str| {
            fs::write(file.path(), text).unwrap();
            read(file.path(), "catalog").ok().map(|it| it.len())
        };
        for text in ["", " \n", "null", "{}"] {
            assert_eq!(found(text), None, "{text:?}");
        }
        for half in 0..group.len() {
            assert_eq!(found(&group[..half]), None, "{half}");
        }
        assert_eq!((found(group), found("[]")), (Some(1), Some(0)));
    }
}
