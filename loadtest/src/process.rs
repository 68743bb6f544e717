//! A child process that ends when we do.

use std::{
    ffi::OsStr,
    fs::File,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::ExitStatus,
};

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// What a child finds of our environment. Whatever else is set there is about us, or about a service that somebody runs by
/// hand, and changes nothing.
const INHERITED: [&str; 3] = ["PATH", "HOME", "TMPDIR"];
/// The same for names that begin like this.
const INHERITED_PREFIXES: [&str; 2] = ["RUST_", "OTEL_"];

/// A process of this same binary or of another build of it, and our end of the socket that is its standard input.
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
        Self::spawn_of(None, arguments, log, environment)
    }

    /// The same with another build of this program, if one is given.
    pub(crate) fn spawn_of(
        program: Option<&Path>,
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
        let program = program.map_or_else(image, |it| Ok(it.to_owned()));
        let mut command = Command::new(program.context("find this program's file")?);
        command
            .arg0(env!("CARGO_PKG_NAME"))
            .args(arguments)
            .stdin(OwnedFd::from(theirs))
            .stdout(out)
            .stderr(err)
            // Ctrl-C is for us; we stop our children in order.
            .process_group(0)
            .kill_on_drop(true)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| is_inherited(name)));
        environment(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("start a process for {}", arguments.join(" ")))?;
        let pid = child.id().context("read the id of a process")?;
        let socket = tokio::net::UnixStream::from_std(ours)?;
        Ok(Self { child, socket, pid })
    }
}

/// The program that runs, even when a build has meanwhile put another file in its place: Linux keeps what a process runs
/// (`proc_pid_exe(5)`).
fn image() -> std::io::Result<PathBuf> {
    let running = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if running.try_exists()? {
        return Ok(running);
    }
    std::env::current_exe()
}

fn is_inherited(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        INHERITED.contains(&name) || INHERITED_PREFIXES.iter().any(|it| name.starts_with(it))
    })
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
