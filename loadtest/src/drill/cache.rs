//! The cache that replicas of the catalogue share, which a drill takes away.

use std::{net::TcpListener, path::PathBuf};

use anyhow::Context as _;
use tokio::{
    net::TcpStream,
    time::{Duration, Instant, sleep},
};

use crate::process::Process;

/// A server that does not take connections by then will not.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A Redis on a port of its own, with nothing on disk.
pub(super) struct Cache {
    port: u16,
    log: PathBuf,
    process: Option<Process>,
}

impl Cache {
    /// Starts it; what it says goes to `log`.
    pub(super) async fn start(log: PathBuf) -> anyhow::Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
        let port = free.local_addr()?.port();
        drop(free);
        let mut it = Self {
            port,
            log,
            process: None,
        };
        it.here().await?;
        Ok(it)
    }

    /// Where services find it.
    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Takes it away.
    pub(super) async fn away(&mut self) {
        if let Some(Process {
            mut child, socket, ..
        }) = self.process.take()
        {
            // Its keeper ends it.
            drop(socket);
            let _ = child.wait().await;
        }
    }

    /// Brings it back.
    pub(super) async fn here(&mut self) -> anyhow::Result<()> {
        let port = self.port.to_string();
        let arguments = [
            "keep",
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
            "--save",
            "",
        ];
        let arguments = arguments.map(str::to_owned);
        self.process = Some(Process::spawn(&arguments, &self.log, |command| {
            // A keeper that is killed could not end what it keeps.
            command.kill_on_drop(false);
        })?);
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            anyhow::ensure!(
                Instant::now() < deadline,
                "redis-server does not take connections: apt-get install redis-server; log: {}",
                self.log.display()
            );
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}
