//! The thread between a service and whoever started it: a Unix socket on standard input.
//!
//! The service announces its addresses on it, and stops when it closes. The kernel closes it even when the supervisor is
//! killed with SIGKILL, so nothing is ever left behind. A supervisor that closes only its own direction hears the service's last
//! words: what its metrics say when all is done, which no scrape would see.

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    os::{fd::AsFd as _, unix::net::UnixStream},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    time::{Duration, timeout},
};

/// A supervisor that has not listened by then does not want to know.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

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
pub(crate) struct Supervisor {
    hears: OwnedReadHalf,
    says: OwnedWriteHalf,
}

/// What is said when all is done.
pub(crate) struct LastWords(OwnedWriteHalf);

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
        let (hears, says) = stream.into_split();
        Ok(Self { hears, says })
    }

    pub(crate) async fn announce(&mut self, announcement: Announcement) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&announcement)?;
        writeln!(line)?;
        let said = self.says.write_all(&line).await;
        said.context("announce the addresses to the supervisor")
    }

    /// What returns when the supervisor has gone, and what will be said in the end.
    pub(crate) fn part(self) -> (impl Future<Output = ()>, LastWords) {
        let mut hears = self.hears;
        let gone = async move {
            let mut ignored = [0; 64];
            while matches!(hears.read(&mut ignored).await, Ok(1..)) {}
        };
        (gone, LastWords(self.says))
    }
}

impl LastWords {
    /// Says what metrics say now. Nobody may be there to hear it.
    pub(crate) async fn say(mut self) {
        if let Some(text) = telemetry::openmetrics() {
            let _ = timeout(LAST_WORDS_TIMEOUT, self.0.write_all(text.as_bytes())).await;
        }
    }
}
