//! Builds of other revisions: each in the same worktree below `target/compare`, so that a build takes up where the last one ended.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::{Duration, sleep},
};

use crate::{
    interrupted::{Interrupt, Interrupted},
    progress::Progress,
};

/// How many lines are shown of a build that failed.
const SHOWN_LINES: usize = 12;

/// How often it is asked whether another build is over.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);

/// How this program was built, which other revisions are built alike.
const PROFILE: &str = if cfg!(debug_assertions) {
    "debug"
} else {
    "release"
};

/// The program of `revision`, which is built if it was not before.
///
/// # Errors
/// No checkout of this repository, an unknown revision, or one that cannot be built.
pub(crate) async fn program(
    revision: &str,
    progress: &Progress,
    stop: &Interrupt,
) -> anyhow::Result<PathBuf> {
    let top = git(Path::new("."), ["rev-parse", "--show-toplevel"]).await;
    let needs = || format!("git:{revision} needs a checkout of this repository");
    let top = PathBuf::from(top.with_context(needs)?);
    let commit = format!("{revision}^{{commit}}");
    let commit = git(&top, ["rev-parse", "--verify", "--end-of-options", &commit]).await;
    let commit = commit.with_context(|| format!("find git:{revision}"))?;
    let place = Place {
        dir: top.join("target/compare"),
        top,
    };
    let built = tokio::select! {
        built = place.build(revision, &commit, progress) => built,
        () = stop.cancelled() => Err(Interrupted.into()),
    };
    built.with_context(|| format!("build git:{revision}"))
}

/// Where builds are.
struct Place {
    top: PathBuf,
    dir: PathBuf,
}

impl Place {
    async fn build(
        &self,
        revision: &str,
        commit: &str,
        progress: &Progress,
    ) -> anyhow::Result<PathBuf> {
        let kept = self.dir.join("programs");
        fs::create_dir_all(&kept).with_context(|| format!("make {}", kept.display()))?;
        let built = [&[commit, PROFILE][..], &features()].concat();
        let program = kept.join(built.join("-"));
        // Another run may be building in the same place.
        let lock = File::create(self.dir.join("lock")).context("create a lock")?;
        while lock.try_lock().is_err() {
            progress.step("waiting for another build");
            sleep(LOCK_INTERVAL).await;
        }
        if program.exists() {
            return Ok(program);
        }
        progress.step(format!("checking {revision} out"));
        let tree = self.check_out(commit).await?;
        self.cargo(revision, &tree, progress).await?;
        let fresh = program.with_extension("new");
        let made = self.dir.join("build").join(PROFILE).join("loadtest");
        fs::copy(&made, &fresh)
            .and_then(|_| fs::rename(&fresh, &program))
            .with_context(|| format!("keep {}", made.display()))?;
        Ok(program)
    }

    /// The worktree, with the files of `commit`.
    async fn check_out(&self, commit: &str) -> anyhow::Result<PathBuf> {
        let tree = self.dir.join("tree");
        if tree.join(".git").exists() {
            git(
                &tree,
                ["checkout", "--quiet", "--force", "--detach", commit],
            )
            .await?;
        } else {
            // Forced, because target may have been deleted, and then git still knows of the last one.
            let path = tree.as_os_str();
            let add = ["worktree", "add", "--quiet", "--force", "--detach"].map(OsStr::new);
            let add = add.into_iter().chain([path, OsStr::new(commit)]);
            git(&self.top, add).await?;
        }
        Ok(tree)
    }

    async fn cargo(&self, revision: &str, tree: &Path, progress: &Progress) -> anyhow::Result<()> {
        let path = self.dir.join("build.log");
        let mut log = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args(["build", "--locked", "--package", "loadtest", "--target-dir"])
            .arg(self.dir.join("build"))
            .current_dir(tree)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if PROFILE == "release" {
            command.arg("--release");
        }
        if !features().is_empty() {
            command.args(["--features", &features().join(",")]);
        }
        let mut child = command.spawn().context("start cargo")?;
        let said = child.stderr.take().context("listen to cargo")?;
        let mut lines = BufReader::new(said).lines();
        let mut last = VecDeque::new();
        while let Some(line) = lines.next_line().await.context("listen to cargo")? {
            writeln!(log, "{line}").with_context(|| format!("write {}", path.display()))?;
            progress.step(format!("building {revision}: {}", line.trim()));
            if last.len() == SHOWN_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
        let status = child.wait().await.context("wait for cargo")?;
        if !status.success() {
            let mut text = "cargo build failed".to_owned();
            for line in last {
                text.push_str("\n  | ");
                text.push_str(&line);
            }
            anyhow::bail!("{text}\n  log: {}", path.display());
        }
        Ok(())
    }
}

/// What this program was built with beside the usual.
fn features() -> Vec<&'static str> {
    let with = [
        ("kafka", cfg!(feature = "kafka")),
        ("elasticsearch", cfg!(feature = "elasticsearch")),
    ];
    with.into_iter()
        .filter_map(|(name, is)| is.then_some(name))
        .collect()
}

/// What git answers, without the line's end.
async fn git<S: AsRef<OsStr>>(
    dir: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(arguments);
    let output = command.output().await.context("start git")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("git: {}", said.trim().trim_start_matches("fatal: "));
    }
    let answer = String::from_utf8(output.stdout).context("read git's answer")?;
    Ok(answer.trim_end().to_owned())
}
