//! How work ends that was stopped from outside.

use std::fmt;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The run was stopped by Ctrl-C, SIGTERM or SIGHUP.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// What has been asked for from outside: to stop, or to stop at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    stop: CancellationToken,
    at_once: CancellationToken,
}

impl Interrupt {
    /// Listens to signals from now on. The first SIGINT, SIGTERM or SIGHUP asks to stop; a SIGINT or SIGTERM after that asks to
    /// stop at once. A terminal that is closed may send SIGHUP more than once, so a repeated one asks for nothing.
    ///
    /// # Errors
    /// A signal that cannot be listened to.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let it = Self::default();
        let asked = it.clone();
        let listen = |kind| signal(kind).context("listen to signals");
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hang_up = None;
        if !hang_up_is_ignored() {
            hang_up = Some(listen(SignalKind::hangup())?);
        }
        tokio::spawn(async move {
            let hung_up = async {
                match &mut hang_up {
                    Some(it) => it.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
                _ = hung_up => (),
            }
            asked.stop.cancel();
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
            asked.at_once.cancel();
        });
        Ok(it)
    }

    /// Returns once it was asked to stop.
    pub(crate) async fn cancelled(&self) {
        self.stop.cancelled().await;
    }

    /// Returns once it was asked to stop at once.
    pub(crate) async fn at_once(&self) {
        self.at_once.cancelled().await;
    }
}

/// Whether whoever started us wants SIGHUP ignored, as `nohup` does, from `/proc/self/status` (`proc_pid_status(5)`).
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status");
    status.is_ok_and(|it| ignores_hang_up(&it))
}

fn ignores_hang_up(status: &str) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit stands for signal 1, which is SIGHUP.
    mask.is_some_and(|it| it & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::ignores_hang_up;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert!(ignores_hang_up("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hang_up("Name:\tx\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hang_up("SigIgn:\tfloppy\n") && !ignores_hang_up(""));
    }
}
