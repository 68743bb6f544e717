//! The thread between a service and whoever started it: a Unix socket on standard input.
//!
//! The service announces its addresses on it, and stops when it closes. The kernel closes it even when the supervisor is
//! killed with SIGKILL, so nothing is ever left behind.

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    os::{fd::AsFd as _, unix::net::UnixStream},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

/// What a supervised service says once it listens: one JSON line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    /// Where requests go.
    pub public: SocketAddr,
    /// Where probes and scrapes go.
    pub admin: SocketAddr,
}

/// The service's end of the thread.
pub(crate) struct Supervisor(tokio::net::UnixStream);

impl Supervisor {
    /// Takes standard input over.
    pub(crate) fn on_stdin() -> anyhow::Result<Self> {
        let stdin = io::stdin();
        anyhow::ensure!(
            !stdin.is_terminal(),
            "--supervised needs a Unix socket as standard input, found a terminal: omit it"
        );
        let stream = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
        stream.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(stream)
            .context("--supervised needs a Unix socket as standard input")?;
        Ok(Self(stream))
    }

    pub(crate) async fn announce(&mut self, announcement: Announcement) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&announcement)?;
        writeln!(line)?;
        tokio::io::AsyncWriteExt::write_all(&mut self.0, &line)
            .await
            .context("announce the addresses to the supervisor")
    }

    /// Returns when the supervisor has gone.
    pub(crate) async fn gone(mut self) {
        let mut ignored = [0; 64];
        while matches!(self.0.read(&mut ignored).await, Ok(1..)) {}
    }
}
