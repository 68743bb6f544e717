//! A program that serves HTTP, started and stopped.

use std::{net::SocketAddr, path::Path, path::PathBuf, time::Duration};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::{Instant, sleep, timeout_at},
};

use crate::{
    http,
    interrupted::Interrupt,
    process::{Process, ending},
};

/// A program that is not ready by then will not be.
const READY_TIMEOUT: Duration = Duration::from_mins(1);
/// How often it is asked.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// A program that has not ended by then is killed; its keeper gives it 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// How many lines of its log are shown when it does not start.
const SHOWN_LINES: usize = 3;

/// How a program is started.
#[derive(Clone)]
pub(super) struct Launch {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) log: PathBuf,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

/// A program that runs, and its keeper. If this is dropped, the keeper ends the program.
pub(super) struct Server {
    pub(super) launch: Launch,
    keeper: Process,
    /// Of the program.
    pid: Pid,
}

impl Launch {
    /// Starts it and waits until it is ready.
    pub(super) async fn start(self) -> anyhow::Result<Server> {
        let mut arguments = vec!["keep".to_owned(), self.program.display().to_string()];
        arguments.extend(self.arguments.iter().cloned());
        let mut keeper = Process::spawn(&arguments, &self.log, |command| {
            // A keeper that is killed could not end what it keeps.
            command.kill_on_drop(false);
        })?;
        let deadline = Instant::now() + READY_TIMEOUT;
        let came_up = async {
            let mut line = String::new();
            BufReader::new(&mut keeper.socket)
                .read_line(&mut line)
                .await?;
            if line.is_empty() {
                // How it ends says more.
                std::future::pending::<()>().await;
            }
            let pid = line.trim().parse().ok().and_then(Pid::from_raw);
            self.probe().await?;
            pid.context("read the id of a process")
        };
        let pid = tokio::select! {
            pid = timeout_at(deadline, came_up) =>
                pid.unwrap_or_else(|_| Err(anyhow::anyhow!("not ready within {READY_TIMEOUT:?}"))),
            status = keeper.child.wait() => Err(anyhow::anyhow!("exited with {}", ending(status?))),
        };
        let pid = pid.map_err(|error| self.explain(&error))?;
        Ok(Server {
            launch: self,
            keeper,
            pid,
        })
    }

    async fn probe(&self) -> anyhow::Result<()> {
        let http = http::client(Duration::from_secs(2))?;
        let url = format!("http://{}/-/ready", self.address);
        loop {
            let answer = http.get(&url).send().await;
            if answer.is_ok_and(|it| it.status().is_success()) {
                return Ok(());
            }
            sleep(PROBE_INTERVAL).await;
        }
    }

    fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let mut text = format!("{} did not start: {error:#}", self.name);
        for line in last_lines(&self.log) {
            text.push_str("\n  | ");
            text.push_str(&line);
        }
        anyhow::anyhow!("{text}\n  log: {}", self.log.display())
    }
}

fn last_lines(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].to_vec()
}

impl Server {
    /// Kills the program with SIGKILL, as an experiment.
    pub(super) fn kill(&self) -> anyhow::Result<()> {
        kill_process(self.pid, Signal::KILL).with_context(|| format!("kill {}", self.launch.name))
    }

    /// Ends it, or kills it when that is asked for or takes too long.
    pub(super) async fn stop(self, interrupt: &Interrupt) {
        let Process {
            mut child,
            socket,
            pid,
        } = self.keeper;
        drop(socket);
        tokio::select! {
            _ = child.wait() => return,
            () = interrupt.at_once() => (),
            () = sleep(STOP_TIMEOUT) => (),
        }
        // The keeper leads a group of its own, of which the program is.
        if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // Whoever has ended meanwhile cannot be killed.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait().await;
    }
}
