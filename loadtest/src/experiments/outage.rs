//! Hypothesis: any server that the shop runs on may be killed and stay away for a while, and still no acknowledged order gets
//! lost or doubled, no service dies of it, and each says truly whether it is ready.
//!
//! Two replicas of every service that has to do with events share the work. That the audit can fail is shown by the patches in
//! `sabotage/`; that the probes are asked is shown by the services that must turn unready.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;
use tokio::{
    process::Command,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    deployment::{Replica, SERVICES, Server, Service, backends::Role},
    judge::{
        audit,
        kills::{self, Killed},
        validity,
    },
    lab::Lab,
    report::{arm, document::ArmReport},
    verdict::{Check, Expectation, Group, Outcome},
};

/// How long a server is away before it is started again.
const AWAY: Duration = Duration::from_secs(10);
/// Between two kills, and after the last: the server starts, and the shop catches up.
const INTERVAL: Duration = Duration::from_mins(1);
/// Before the first kill.
const WARM_UP: Duration = Duration::from_secs(5);
/// A server that is started again later than this was away for longer than its row says.
const MAX_LATE: Duration = Duration::from_secs(1);
/// A service that is not ready by then, counted from its server's answer, stays away.
const BACK_WITHIN: Duration = Duration::from_mins(1);
/// For no longer than this, a server that is not away may be too slow for who asks it.
const MOMENT: Duration = Duration::from_secs(3);
/// How often each replica is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// What starts and kills the servers.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/backends");

/// What one server's absence did.
struct Outage {
    server: Server,
    killed: Killed,
    /// Until it was started again.
    away: Duration,
    /// Replicas that said they were not ready.
    unready: BTreeSet<(Service, u32)>,
}

pub(super) async fn run(lab: &Lab<'_>) -> anyhow::Result<Vec<ArmReport>> {
    let servers = lab.args.backends.servers();
    for service in SERVICES.into_iter().filter(|it| it.hears_or_tells()) {
        lab.deployment().add(service).await?;
    }
    let outages = u32::try_from(servers.len()).unwrap_or(u32::MAX);
    let length = WARM_UP + INTERVAL * outages;
    let phase = lab.nominal("outages", length.as_secs_f64());
    let disturb = async |began| kill_all(lab, servers, began).await;
    let (it, outages) = lab.measure_while("outages", vec![phase], disturb).await?;
    let description = format!(
        "Each server is killed with SIGKILL and away for {} s; two replicas of every service that hears or tells events.",
        AWAY.as_secs()
    );
    let promises = audit::promises(&it.load.attempts);
    let replicas = lab.deployment().replicas();
    let own = [on_time(&outages), readiness(&outages, &replicas)];
    let killed: Vec<_> = outages.into_iter().map(|it| it.killed).collect();
    let mut checks = kills::checks(&it, &promises, &killed);
    checks.extend(own);
    checks.push(validity::deaths(Group::Audit, "no service died", &it));
    let mut report = arm::report(&it, &description, Expectation::Holds, 0, checks);
    report.kills = kills::table(&killed, &it, &promises);
    Ok(vec![report])
}

async fn kill_all(
    lab: &Lab<'_>,
    servers: &[Server],
    began: Instant,
) -> anyhow::Result<Vec<Outage>> {
    let mut outages = Vec::new();
    let mut due = began + WARM_UP;
    for &server in servers {
        sleep_until(due).await;
        outages.push(outage(lab, server, began).await?);
        due = (due + INTERVAL).max(Instant::now() + WARM_UP);
    }
    sleep_until(due).await;
    Ok(outages)
}

async fn outage(lab: &Lab<'_>, server: Server, began: Instant) -> anyhow::Result<Outage> {
    script("kill", server).await?;
    let at = Instant::now();
    let (tell, told) = watch::channel(false);
    let unready = Unready::default();
    let mut watchers = JoinSet::new();
    for replica in lab.deployment().replicas() {
        let http = lab.deployment().http().clone();
        let (told, unready) = (told.clone(), Arc::clone(&unready));
        let role = server.role();
        watchers.spawn(watch_readiness(http, replica, role, told, unready));
    }
    sleep(AWAY).await;
    let away = at.elapsed();
    script("up", server).await?;
    let answered_after = at.elapsed();
    tell.send_replace(true);
    let ready = timeout(BACK_WITHIN, watchers.join_all()).await;
    let ready_after = ready.is_ok().then(|| at.elapsed());
    let unready = lock(&unready).clone();
    let services: BTreeSet<_> = unready.iter().map(|it| it.0).collect();
    Ok(Outage {
        server,
        killed: Killed {
            victim: server.name().to_owned(),
            at: at - began,
            answered_after: Some(answered_after),
            ready_after,
            unready: services.iter().map(ToString::to_string).collect(),
        },
        away,
        unready,
    })
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

/// Whether `service` cannot do what it is for without a server of this role. A cache is never needed.
fn needs(service: Service, role: Role) -> bool {
    match role {
        Role::Databases => Service::WITH_DATABASE.contains(&service),
        Role::Broker => service.hears_or_tells(),
        Role::Search => service == Service::Search,
        Role::Cache => false,
    }
}

/// Whoever kills and starts servers must not be held up by what their absence does to the shop.
fn on_time(outages: &[Outage]) -> Check {
    let longest = outages.iter().map(|it| it.away).max().unwrap_or_default();
    let outcome = if longest <= AWAY + MAX_LATE {
        Outcome::Pass
    } else {
        Outcome::Invalid
    };
    Check::new(
        Group::Validity,
        "servers were started again on time",
        outcome,
    )
    .saw(
        format!("away for {:.2} s at most", longest.as_secs_f64()),
        format!("at most {} s", (AWAY + MAX_LATE).as_secs()),
    )
}

fn readiness(outages: &[Outage], replicas: &[Replica]) -> Check {
    let mut wrong = Vec::new();
    for it in outages {
        for replica in replicas {
            let Replica {
                service, number, ..
            } = *replica;
            let server = it.server.name();
            match (
                needs(service, it.server.role()),
                it.unready.contains(&(service, number)),
            ) {
                (true, false) => {
                    wrong.push(format!("{service}-{number} was ready without {server}"));
                }
                (false, true) => wrong.push(format!(
                    "{service}-{number} was not ready without {server}, which it can do without"
                )),
                _ => (),
            }
        }
    }
    let outcome = if wrong.is_empty() {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    Check::new(Group::Audit, "probes told the truth", outcome)
        .saw(
            format!("{} outages, {} wrong", outages.len(), wrong.len()),
            "whoever needs the server is not ready while it is away, and nobody else is",
        )
        .because(wrong)
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
        let slow = said(&[("broker", "no answer within 1s"), ("database", "ok")]);
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
