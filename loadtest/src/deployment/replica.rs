//! The life of one replica: started, announced, probed, watched, started again, stopped.

use std::{process::ExitStatus, sync::Arc};

use anyhow::Context as _;
use chassis::Announcement;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    sync::oneshot,
    time::{Duration, Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    discovery::{Replica, instance},
    log_tail,
    roster::Roster,
    service::{self, Service},
    standing,
    track::Make,
};
use crate::process::{Process, ending};

/// A service that is not ready by then will not be.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Within this time everybody has heard that a replica is to be found no longer, and sends it nothing more: discovery files are read
/// forty times a second. In a cluster it is the sleep before a pod is told to stop.
const HEARD_WITHIN: Duration = Duration::from_millis(200);
/// A replica that has not drained by then is killed: its own limit is 10 s, and 3 s for its telemetry.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// How often readiness is asked for.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);
/// The wait before the first restart; it doubles up to [`MAX_BACK_OFF`].
const BACK_OFF: Duration = Duration::from_millis(200);
const MAX_BACK_OFF: Duration = Duration::from_secs(10);
/// A replica that lived this long has earned a fresh back-off.
const STABLE: Duration = Duration::from_secs(30);
/// How many log lines are shown of a replica that died.
const SHOWN_LINES: usize = 3;

/// Keeps replica `number` of `service` running as `make` until `stop`. The first start decides what `ready` hears.
pub(super) async fn keep(
    roster: Arc<Roster>,
    (service, number): (Service, u32),
    make: Make,
    stop: CancellationToken,
    ready: oneshot::Sender<anyhow::Result<()>>,
) {
    let mut ready = Some(ready);
    let mut back_off = BACK_OFF;
    let mut condemned = false;
    for start in 1.. {
        let born = Instant::now();
        let started = tokio::select! {
            started = begin(&roster, service, number, start, make) => started,
            () = stop.cancelled() => {
                roster.ended(service, number, start);
                return;
            }
        };
        let (mut process, replica) = match started {
            Ok(started) => started,
            Err(error) => {
                if let Some(ready) = ready.take() {
                    roster.state().stops.remove(&(service, number));
                    // To whom nobody waits for, it is told as it happens.
                    if let Err(Err(error)) = ready.send(Err(error)) {
                        roster.report(format!("{error:#}"));
                    }
                    return;
                }
                roster.report(format!("{error:#}"));
                if pause(&mut back_off, &stop).await.is_break() {
                    return;
                }
                continue;
            }
        };
        match ready.take() {
            Some(ready) => drop(ready.send(Ok(()))),
            None if condemned => (),
            None => (roster.options.tell)(&format!(
                "{service}-{number} restarted as process {}",
                replica.pid
            )),
        }
        let status = tokio::select! {
            status = process.child.wait() => status,
            () = stop.cancelled() => {
                drain(&roster, process, &replica).await;
                return;
            }
        };
        roster.ended(service, number, start);
        condemned = roster.is_condemned(replica.pid);
        died(&roster, &replica, status);
        if !roster.options.restart {
            return;
        }
        if born.elapsed() > STABLE {
            back_off = BACK_OFF;
        }
        if pause(&mut back_off, &stop).await.is_break() {
            return;
        }
    }
}

async fn pause(back_off: &mut Duration, stop: &CancellationToken) -> std::ops::ControlFlow<()> {
    let wait = *back_off;
    *back_off = (wait * 2).min(MAX_BACK_OFF);
    match timeout(wait, stop.cancelled()).await {
        Ok(()) => std::ops::ControlFlow::Break(()),
        Err(_) => std::ops::ControlFlow::Continue(()),
    }
}

/// Starts the process and returns once it is ready and can be found.
async fn begin(
    roster: &Roster,
    service: Service,
    number: u32,
    start: u32,
    make: Make,
) -> anyhow::Result<(Process, Replica)> {
    let began = come_up(roster, service, number, start, make).await;
    if began.is_err() {
        roster.ended(service, number, start);
    }
    began
}

async fn come_up(
    roster: &Roster,
    service: Service,
    number: u32,
    start: u32,
    make: Make,
) -> anyhow::Result<(Process, Replica)> {
    let instance = instance(service, number, start);
    let log = roster.dir.join("logs").join(format!("{instance}.log"));
    let mut process = spawn(roster, (service, number), make, &instance, &log)?;
    roster.born(service, number, start, make);
    let deadline = Instant::now() + READY_TIMEOUT;
    let came_up = async {
        let mut line = String::new();
        let mut reader = BufReader::new(&mut process.socket);
        reader.read_line(&mut line).await?;
        if line.is_empty() {
            // It closed the socket, so it is ending; how it ends says more.
            std::future::pending::<()>().await;
        }
        let announcement: Announcement = serde_json::from_str(&line)
            .with_context(|| format!("read the announcement {line:?}"))?;
        probe(roster, &announcement).await;
        anyhow::Ok(announcement)
    };
    let announcement = tokio::select! {
        up = timeout_at(deadline, came_up) => up.unwrap_or_else(|_| Err(anyhow::anyhow!("not ready within {READY_TIMEOUT:?}"))),
        status = process.child.wait() => Err(anyhow::anyhow!("exited with {}", ending(status?))),
    };
    let Announcement { public, admin } =
        announcement.map_err(|error| explain(service, number, &log, &error))?;
    let replica = Replica {
        service,
        number,
        start,
        pid: process.pid,
        public,
        admin,
        log,
        make,
    };
    standing::enter(roster, &replica).await?;
    Ok((process, replica))
}

fn explain(
    service: Service,
    number: u32,
    log: &std::path::Path,
    error: &anyhow::Error,
) -> anyhow::Error {
    let mut text = format!("{service}-{number} did not start: {error:#}");
    for line in log_tail::tail(log, SHOWN_LINES) {
        text.push_str("\n  | ");
        text.push_str(&line);
    }
    anyhow::anyhow!("{text}\n  log: {}", log.display())
}

fn spawn(
    roster: &Roster,
    (service, number): (Service, u32),
    make: Make,
    instance: &str,
    log: &std::path::Path,
) -> anyhow::Result<Process> {
    let mut arguments = vec!["service".into(), service.name().into()];
    arguments.extend(flags(roster, service, number));
    let otlp = roster.options.otlp;
    // What has a version of its own is of this program.
    let program = roster.options.program.as_deref();
    let program = program.filter(|_| make.version.is_none());
    Process::spawn_of(program, &arguments, log, |command| {
        command.envs(roster.servers.environment(service, &roster.dir));
        command.envs(roster.options.environment.iter().cloned());
        if let Some(receiver) = otlp {
            export_everything_to(command, receiver);
        }
        call(command, make, otlp.map(|_| instance));
    })
}

/// What a process is told. Of a monolith each part is told apart what it would find as a service, in its environment too.
fn flags(roster: &Roster, service: Service, number: u32) -> Vec<String> {
    let port = roster.gateway_port(number);
    let discovery = service::file_address(&roster.discovery_file(), roster.options.upstreams);
    let process = ["--supervised", "--faults=on"].map(str::to_owned);
    let own = |it: Service| it.flags(&roster.dir, &discovery, port);
    if service != Service::Monolith {
        return [process.to_vec(), own(service)].concat();
    }
    let mut all = vec![Service::Gateway.name().to_owned()];
    all.extend(process);
    for part in service.parts() {
        all.push(part.name().to_owned());
        all.extend(own(part));
        let environment = roster.servers.environment(part, &roster.dir);
        let flag = |(name, value): (&str, String)| {
            let name = name.replace('_', "-").to_lowercase();
            format!("--{name}={value}")
        };
        all.extend(environment.into_iter().map(flag));
    }
    all
}

/// Replaces whatever the environment says of telemetry, so that a verdict does not depend on it.
fn export_everything_to(command: &mut Command, receiver: std::net::SocketAddr) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .env("OTEL_TRACES_SAMPLER", "always_on");
}

/// What a replica is told to call itself and its version, as far as that is not left to it.
fn call(command: &mut Command, make: Make, instance: Option<&str>) {
    let instance = instance.map(|it| format!("service.instance.id={it}"));
    let version = make.version.map(|it| format!("service.version={it}"));
    let attributes: Vec<_> = instance.into_iter().chain(version).collect();
    if !attributes.is_empty() {
        command.env("OTEL_RESOURCE_ATTRIBUTES", attributes.join(","));
    }
}

async fn probe(roster: &Roster, announcement: &Announcement) {
    let url = format!("http://{}/readyz", announcement.admin);
    loop {
        let answer = roster.http.get(&url).send().await;
        if answer.is_ok_and(|it| it.status().is_success()) {
            return;
        }
        sleep(PROBE_INTERVAL).await;
    }
}

/// Out of the discovery file first, so that nobody calls what is about to go. Then it is told to stop by the end of our direction of the
/// socket, and heard to its end.
async fn drain(roster: &Roster, process: Process, replica: &Replica) {
    if let Err(error) = roster.leave(replica) {
        roster.report(format!("{error:#}"));
    }
    let Process {
        mut child,
        mut socket,
        ..
    } = process;
    let ends = async {
        sleep(HEARD_WITHIN).await;
        let mut said = String::new();
        // Who has died meanwhile says nothing, and how it ended is told below.
        let _ = socket.shutdown().await;
        let _ = socket.read_to_string(&mut said).await;
        roster.hear(replica, said);
        child.wait().await
    };
    let why = tokio::select! {
        status = ends => return drained(roster, replica, status),
        () = roster.interrupt.at_once() => "was killed before it had drained".to_owned(),
        () = sleep(STOP_TIMEOUT) => format!("did not drain within {STOP_TIMEOUT:?} and was killed"),
    };
    let Replica {
        service, number, ..
    } = replica;
    roster.report(format!("{service}-{number} {why}"));
    if let Err(error) = child.kill().await {
        roster.report(format!("kill {service}-{number}: {error}"));
    }
    roster.ended(replica.service, replica.number, replica.start);
}

/// Whoever drains ends by itself, and well.
fn drained(roster: &Roster, replica: &Replica, status: std::io::Result<ExitStatus>) {
    let Replica {
        service,
        number,
        start,
        ..
    } = replica;
    roster.ended(*service, *number, *start);
    let how = match status {
        Ok(status) if status.success() || roster.is_condemned(replica.pid) => return,
        Ok(status) => ending(status),
        Err(error) => error.to_string(),
    };
    roster.report(format!("{service}-{number} did not drain: {how}"));
}

fn died(roster: &Roster, replica: &Replica, status: std::io::Result<ExitStatus>) {
    let how = match status {
        Ok(status) => ending(status),
        Err(error) => error.to_string(),
    };
    let Replica {
        service,
        number,
        pid,
        log,
        ..
    } = replica;
    let mut text = format!("{service}-{number} (process {pid}) died: {how}");
    for line in log_tail::tail(log, SHOWN_LINES) {
        text.push_str("\n  | ");
        text.push_str(&line);
    }
    if !roster.is_condemned(*pid) {
        roster.report(text);
    }
    if let Err(error) = roster.leave(replica) {
        roster.report(format!("{error:#}"));
    }
}
