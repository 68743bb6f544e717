//! A server that is away for a while, and what the probes say meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use serde::Deserialize;
use tokio::{
    process::Command,
    sync::watch,
    task::JoinSet,
    time::{Duration, Instant, sleep, timeout},
};

use crate::{
    deployment::{Deployment, Replica, Server, Service, backends::Role},
    measurement::Outage,
};

/// A service that is not ready by then, counted from its server's answer, stays away.
const BACK_WITHIN: Duration = Duration::from_mins(1);
/// For no longer than this, a server that is not away may be too slow for who asks it.
const MOMENT: Duration = Duration::from_secs(3);
/// How often each replica is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// What starts and kills the servers.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/backends");

/// A server that is away.
pub(super) struct Away {
    pub(super) server: Server,
    /// When it was killed, and how long after the load had begun.
    at: Instant,
    since_beginning: Duration,
    answers: watch::Sender<bool>,
    watchers: JoinSet<()>,
    asked: BTreeSet<(Service, u32)>,
    unready: Unready,
}

impl Away {
    /// Kills `server` and has every replica asked whether it is ready from now on.
    pub(super) async fn begin(
        deployment: &Deployment,
        server: Server,
        began: Instant,
    ) -> anyhow::Result<Self> {
        script("kill", server).await?;
        let at = Instant::now();
        let (answers, told) = watch::channel(false);
        let mut it = Self {
            server,
            at,
            since_beginning: at - began,
            answers,
            watchers: JoinSet::new(),
            asked: BTreeSet::new(),
            unready: Unready::default(),
        };
        for replica in deployment.replicas() {
            it.asked.insert((replica.service, replica.number));
            let http = deployment.http().clone();
            let (told, unready) = (told.clone(), Arc::clone(&it.unready));
            let role = server.role();
            it.watchers
                .spawn(watch_readiness(http, replica, role, told, unready));
        }
        Ok(it)
    }

    /// Starts it again and waits until every replica is ready.
    pub(super) async fn end(self) -> anyhow::Result<Outage> {
        let away = self.at.elapsed();
        script("up", self.server).await?;
        let answered_after = self.at.elapsed();
        self.answers.send_replace(true);
        let ready = timeout(BACK_WITHIN, self.watchers.join_all()).await;
        let ready_after = ready.is_ok().then(|| self.at.elapsed());
        let unready = lock(&self.unready).clone();
        Ok(Outage {
            victim: self.server.name().to_owned(),
            server: Some(self.server),
            at: self.since_beginning,
            away,
            answered_after: Some(answered_after),
            ready_after,
            asked: self.asked,
            unready,
        })
    }
}

/// Replicas that said they were not ready.
type Unready = Arc<Mutex<BTreeSet<(Service, u32)>>>;

fn lock(unready: &Unready) -> MutexGuard<'_, BTreeSet<(Service, u32)>> {
    unready.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answer of `/readyz`.
#[derive(Deserialize)]
struct Readiness {
    /// What each check came to: `ok`, or what is wrong.
    checks: BTreeMap<String, String>,
}

impl Readiness {
    /// Whether all that is missing is servers of another role than this.
    fn wants_others_than(&self, role: Role) -> bool {
        let mut failed = self.checks.iter().filter(|it| it.1 != "ok").peekable();
        let other = |check: &str| Role::asked_by(check).is_some_and(|it| it != role);
        failed.peek().is_some() && failed.all(|it| other(it.0))
    }
}

/// Asks `replica` until it is ready after the server has answered, and notes it when it says that it is not. Whoever is too busy
/// to answer says neither, and whoever wants another server than one of this `role` for a moment means that one.
async fn watch_readiness(
    http: reqwest::Client,
    replica: Replica,
    role: Role,
    server_answers: watch::Receiver<bool>,
    unready: Unready,
) {
    let url = format!("http://{}/readyz", replica.admin);
    let mut unready_since = None;
    loop {
        // What it says may be from before the server answered, unless it was asked after.
        let last = *server_answers.borrow();
        match http.get(&url).send().await {
            Ok(answer) if answer.status().is_success() && last => return,
            Ok(answer) if answer.status().is_success() => unready_since = None,
            Ok(answer) => {
                let since: Instant = *unready_since.get_or_insert_with(Instant::now);
                let said: Result<Readiness, _> = answer.json().await;
                let other = said.is_ok_and(|it| it.wants_others_than(role));
                if !other || since.elapsed() > MOMENT {
                    lock(&unready).insert((replica.service, replica.number));
                }
            }
            Err(_) => (),
        }
        sleep(ASK_EVERY).await;
    }
}

/// Starts or kills a server that `scripts/backends` has started.
async fn script(verb: &str, server: Server) -> anyhow::Result<()> {
    let name = server.name();
    let run = Command::new(SCRIPT)
        .args([verb, name])
        .stdin(Stdio::null())
        .output();
    let output = run.await.with_context(|| format!("run {SCRIPT}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "scripts/backends {verb} {name}: {}",
        said.trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_server_is_not_taken_for_the_one_that_is_away() {
        let said = |checks: &[(&str, &str)]| Readiness {
            checks: checks
                .iter()
                .map(|(name, said)| ((*name).to_owned(), (*said).to_owned()))
                .collect(),
        };
        let slow = said(&[("broker", "no response within 1s"), ("database", "ok")]);
        assert!(!slow.wants_others_than(Role::Broker));
        assert!(slow.wants_others_than(Role::Databases) && slow.wants_others_than(Role::Cache));
        for dragged_along in [
            said(&[("catalog", "no replica is known"), ("broker", "no answer")]),
            said(&[("database", "ok")]),
        ] {
            assert!(!dragged_along.wants_others_than(Role::Databases));
        }
    }
}
