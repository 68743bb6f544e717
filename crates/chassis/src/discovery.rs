//! Where the replicas of a service are.

use std::{
    collections::HashMap,
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use tokio::sync::watch;

use crate::config::{path_of, scheme};

/// How often the discovery file is looked at. Looking is one `stat`; only a changed file is read.
const POLL: Duration = Duration::from_millis(25);

/// How the replicas of an upstream are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `file:PATH`: a Prometheus `file_sd` file in JSON, read again whenever it changes. A target's label `service` names
    /// its service and `__service_address` its public address; the target itself is the admin port that is scraped.
    File(PathBuf),
    /// `http://IP:PORT`: one fixed replica.
    Fixed(SocketAddr),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = match scheme(text) {
            ("file", rest) => path_of(rest).map(Self::File),
            ("http", rest) => rest
                .strip_prefix("//")
                .and_then(|it| it.trim_end_matches('/').parse().ok())
                .map(Self::Fixed),
            _ => None,
        };
        address.ok_or_else(|| format!("expected file:PATH or http://IP:PORT, found {text:?}"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Fixed(address) => write!(f, "http://{address}"),
        }
    }
}

/// The public addresses of a service's replicas, now and after every change.
pub(crate) type Replicas = watch::Receiver<Arc<[SocketAddr]>>;

/// Follows the replicas of `service` until every receiver is gone.
pub(crate) fn follow(address: &Address, service: &'static str) -> Replicas {
    match address {
        Address::Fixed(address) => watch::channel(Arc::from([*address])).1,
        Address::File(path) => {
            let (sender, receiver) = watch::channel(Arc::default());
            tokio::spawn(follow_file(path.clone(), service, sender));
            receiver
        }
    }
}

async fn follow_file(
    path: PathBuf,
    service: &'static str,
    sender: watch::Sender<Arc<[SocketAddr]>>,
) {
    let mut seen = None;
    while !sender.is_closed() {
        let now = fingerprint(&path);
        if now.is_some() && now != seen {
            match read(&path, service) {
                Ok(replicas) => {
                    tracing::info!(service, replicas = replicas.len(), "discovered");
                    sender.send_if_modified(|it| {
                        let changed = **it != *replicas;
                        *it = replicas.into();
                        changed
                    });
                }
                // The last list stays: a typing error must not take the shop down.
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "discovery file not read");
                }
            }
            seen = now;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Changes whenever the file does: a writer renames a new file into place.
fn fingerprint(path: &Path) -> Option<(u64, SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.modified().ok()?, metadata.len()))
}

#[derive(Deserialize)]
struct Group {
    labels: HashMap<String, String>,
}

fn read(path: &Path, service: &str) -> io::Result<Vec<SocketAddr>> {
    let text = fs::read_to_string(path)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let groups: Vec<Group> = serde_json::from_str(&text)?;
    groups
        .iter()
        .filter(|it| it.labels.get("service").is_some_and(|it| it == service))
        .filter_map(|it| it.labels.get("__service_address"))
        .map(|it| {
            it.parse()
                .map_err(|_| io::Error::other(format!("{it:?} is no address")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_file_or_one_replica() {
        assert_eq!(
            "file:a/b.json".parse(),
            Ok(Address::File("a/b.json".into()))
        );
        assert_eq!(
            "file:///a/b.json".parse(),
            Ok(Address::File("/a/b.json".into()))
        );
        let fixed = Address::Fixed(([127, 0, 0, 1], 80).into());
        assert_eq!("http://127.0.0.1:80/".parse(), Ok(fixed));
        for bad in ["", "file:", "http://shop", "ftp://127.0.0.1:80"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_a_broken_one_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("services.json");
        let write = |text: &str| {
            let new = dir.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, &path).unwrap();
        };
        let mut replicas = follow(&Address::File(path.clone()), "catalog");
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
}
