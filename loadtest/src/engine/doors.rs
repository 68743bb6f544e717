//! Where requests go: one address, or gateways that come and go and are found in the shop's discovery file, as a load balancer in
//! front of them finds those that are ready.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use serde::Deserialize;
use tokio::time::{Duration, sleep};

use crate::deployment::Service;

/// How often the file is read: as often as services look at it.
const POLL: Duration = Duration::from_millis(25);

/// What a [`super::plan::Plan`]'s target begins with that is a discovery file.
const FILE: &str = "file:";

/// Where requests go.
pub(super) enum Doors {
    /// Whoever sends them knows one address.
    One,
    /// They take turns.
    Found(Arc<Found>),
}

/// The gateways that the file names now.
#[derive(Default)]
pub(super) struct Found {
    addresses: RwLock<Vec<String>>,
    turn: AtomicUsize,
}

/// What is read of a group of the file.
#[derive(Deserialize)]
struct Group {
    labels: HashMap<String, String>,
}

impl Doors {
    /// Those of a target, followed for as long as the process runs where they are in a file.
    pub(super) fn of(target: &str) -> Self {
        let Some(path) = target.strip_prefix(FILE) else {
            return Self::One;
        };
        let found = Arc::new(Found::default());
        found.read(Path::new(path));
        tokio::spawn(follow(PathBuf::from(path), Arc::clone(&found)));
        Self::Found(found)
    }

    /// The address that the load engine is told: requests that are to be found elsewhere do not use it.
    pub(super) fn host(target: &str) -> String {
        match target.strip_prefix(FILE) {
            Some(_) => "http://gateway.invalid".to_owned(),
            None => target.to_owned(),
        }
    }

    /// Where the request for `path` goes.
    pub(super) fn locate(&self, path: String) -> String {
        match self {
            Self::One => path,
            Self::Found(it) => it.next().map_or_else(|| path.clone(), |it| it + &path),
        }
    }
}

impl Found {
    fn next(&self) -> Option<String> {
        let addresses = self.addresses.read();
        let addresses = addresses.unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn.fetch_add(1, Relaxed);
        addresses.get(turn.checked_rem(addresses.len())?).cloned()
    }

    /// Where the file cannot be read, or names none, the last known ones stay.
    fn read(&self, path: &Path) {
        let Ok(text) = fs::read(path) else { return };
        let found = gateways(&text);
        if !found.is_empty() {
            let known = self.addresses.write();
            *known.unwrap_or_else(PoisonError::into_inner) = found;
        }
    }
}

async fn follow(path: PathBuf, found: Arc<Found>) {
    loop {
        sleep(POLL).await;
        found.read(&path);
    }
}

fn gateways(file: &[u8]) -> Vec<String> {
    let groups: Vec<Group> = serde_json::from_slice(file).unwrap_or_default();
    let public = |it: &&Group| {
        let service = it.labels.get("service").map(String::as_str);
        [Service::Gateway, Service::Monolith]
            .map(Service::name)
            .map(Some)
            .contains(&service)
    };
    let address = |it: &Group| Some(format!("http://{}", it.labels.get("__service_address")?));
    groups.iter().filter(public).filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"[{"targets":["127.0.0.1:1"],"labels":{"service":"catalog","__service_address":"127.0.0.1:2"}},
        {"targets":["127.0.0.1:3"],"labels":{"service":"gateway","__service_address":"127.0.0.1:4"}},
        {"targets":["127.0.0.1:5"],"labels":{"service":"gateway","__service_address":"127.0.0.1:6"}},
        {"targets":["127.0.0.1:7"],"labels":{}}]"#;

    #[test]
    fn requests_take_turns_at_the_gateways_that_are_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let found = Found::default();
        fs::write(file.path(), TWO).unwrap();
        found.read(file.path());
        let turns: Vec<_> = (0..3).filter_map(|_| found.next()).collect();
        assert_eq!(
            turns,
            [
                "http://127.0.0.1:4",
                "http://127.0.0.1:6",
                "http://127.0.0.1:4"
            ]
        );
        for nothing in ["[]", "", "{ half"] {
            fs::write(file.path(), nothing).unwrap();
            found.read(file.path());
            assert!(found.next().is_some(), "{nothing:?}");
        }
    }

    #[test]
    fn one_address_is_left_to_the_load_engine() {
        let one = Doors::of("http://127.0.0.1:8080");
        assert_eq!(one.locate("/products".to_owned()), "/products");
        assert_eq!(
            Doors::host("http://127.0.0.1:8080"),
            "http://127.0.0.1:8080"
        );
    }
}
