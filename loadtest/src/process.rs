//! A child process that ends when we do.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::ExitStatus,
};

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// A process of this same binary, and our end of the socket that is its standard input.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) socket: tokio::net::UnixStream,
    pub(crate) pid: u32,
}

impl Process {
    /// Runs this binary with `arguments`; standard output and standard error go to the end of `log`.
    pub(crate) fn spawn(
        arguments: &[String],
        log: &Path,
        environment: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Self> {
        let log_file = || {
            let file = File::options().create(true).append(true).open(log)?;
            Ok::<_, std::io::Error>((file.try_clone()?, file))
        };
        let (out, err) = log_file().with_context(|| format!("open {}", log.display()))?;
        let (ours, theirs) = UnixStream::pair().context("create a socket pair")?;
        ours.set_nonblocking(true)?;
        let program = std::env::current_exe().context("find this program's file")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(OwnedFd::from(theirs))
            .stdout(out)
            .stderr(err)
            // Ctrl-C is for us; we stop our children in order.
            .process_group(0)
            .kill_on_drop(true);
        environment(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("start a process for {}", arguments.join(" ")))?;
        let pid = child.id().context("read the id of a process")?;
        let socket = tokio::net::UnixStream::from_std(ours)?;
        Ok(Self { child, socket, pid })
    }
}

/// How a process ended, in words.
pub(crate) fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => status.to_string(),
    }
}
