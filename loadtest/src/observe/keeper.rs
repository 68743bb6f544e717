//! A process between us and a program that knows nothing of us: it ends the program when we end, however that comes.

use std::{
    ffi::{OsStr, OsString},
    os::fd::AsFd as _,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::Command,
    time::timeout,
};

/// How long a program has to end after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a program until it ends, or until standard input, a Unix socket of our parent, closes. The parent is told its process id.
pub(crate) async fn keep(program: &OsStr, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    let socket = std::os::unix::net::UnixStream::from(stdin);
    socket.set_nonblocking(true)?;
    let mut socket =
        UnixStream::from_std(socket).context("a kept program needs a Unix socket of its parent")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let pid = child.id().context("read the id of a process")?;
    socket.write_all(format!("{pid}\n").as_bytes()).await?;
    let mut ignored = [0; 64];
    let parent_goes = async { while matches!(socket.read(&mut ignored).await, Ok(1..)) {} };
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = parent_goes => None,
    };
    let ended = if ended.is_some() {
        ended
    } else {
        let pid = Pid::from_raw(i32::try_from(pid)?).context("read the id of a process")?;
        kill_process(pid, Signal::TERM).context("end the program")?;
        timeout(STOP_TIMEOUT, child.wait()).await.ok()
    };
    let Some(status) = ended else {
        child.kill().await.context("kill the program")?;
        return Ok(ExitCode::FAILURE);
    };
    let status = status.context("wait for the program")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
