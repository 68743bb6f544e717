//! One directory for each run: what its deployments leave, evidence and report.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use time::OffsetDateTime;

/// How many runs are kept.
const KEPT: usize = 10;

/// The directory of this run. While it exists no other run removes it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    started: OffsetDateTime,
    _lock: File,
}

impl RunDir {
    /// Makes `<runs>/<time>-<what>/`, points `<runs>/latest` at it, and removes all but the newest ten.
    ///
    /// # Errors
    /// A place that cannot be written.
    pub fn create(runs: &Path, what: &str) -> anyhow::Result<Self> {
        let started = OffsetDateTime::now_utc();
        let create = || -> io::Result<(PathBuf, File)> {
            fs::create_dir_all(runs)?;
            let path = fresh(runs, &format!("{}-{what}", stamp(started)))?;
            let lock = File::create(path.join("lock"))?;
            lock.lock()?;
            // Everything below is told to other processes, which may have another working directory.
            Ok((path.canonicalize()?, lock))
        };
        let (path, lock) = create()
            .with_context(|| format!("create a directory for this run in {}", runs.display()))?;
        let it = Self {
            path,
            started,
            _lock: lock,
        };
        it.link_latest(runs)?;
        prune(runs)?;
        Ok(it)
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When the run began.
    pub fn started(&self) -> OffsetDateTime {
        self.started
    }

    /// A seed for this run. It has few digits, because people copy it.
    pub(crate) fn draw_seed(&self) -> u64 {
        u64::from(self.started.nanosecond() / 1000)
    }

    /// Writes one file of the run.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        fs::write(&path, contents).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    fn link_latest(&self, runs: &Path) -> anyhow::Result<()> {
        let name = self.path.file_name().context("name the run")?;
        let fresh = runs.join(format!("latest.{}", std::process::id()));
        let link = || -> io::Result<()> {
            std::os::unix::fs::symlink(name, &fresh)?;
            fs::rename(&fresh, runs.join("latest"))
        };
        link().with_context(|| format!("point {}/latest at this run", runs.display()))
    }
}

/// The first free name; two runs may begin in the same second.
fn fresh(runs: &Path, name: &str) -> io::Result<PathBuf> {
    for attempt in 1.. {
        let path = match attempt {
            1 => runs.join(name),
            n => runs.join(format!("{name}-{n}")),
        };
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
            Err(error) => return Err(error),
        }
    }
    unreachable!("the numbers do not end")
}

fn stamp(at: OffsetDateTime) -> String {
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Removes the oldest runs beyond [`KEPT`] that no process uses.
fn prune(runs: &Path) -> anyhow::Result<()> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(runs)? {
            let entry = entry?;
            // Only what a run made is ours to remove.
            if entry.file_type()?.is_dir() && entry.path().join("lock").is_file() {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    };
    let found = list().with_context(|| format!("list the runs in {}", runs.display()))?;
    let excess = found.len().saturating_sub(KEPT);
    for path in &found[..excess] {
        let unused = File::open(path.join("lock")).is_ok_and(|it| it.try_lock().is_ok());
        if unused {
            match fs::remove_dir_all(path) {
                // Another run that begins now was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                it => it.with_context(|| format!("remove the old run {}", path.display()))?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ten_runs_and_those_in_use_are_kept() {
        let runs = tempfile::tempdir().unwrap();
        let in_use = RunDir::create(runs.path(), "up").unwrap();
        let stranger = runs.path().join("0-not-a-run");
        fs::create_dir(&stranger).unwrap();
        for _ in 0..KEPT + 3 {
            RunDir::create(runs.path(), "x").unwrap();
        }
        let newest = RunDir::create(runs.path(), "y").unwrap();
        assert!(in_use.path().exists() && stranger.exists());
        let kept = fs::read_dir(runs.path())
            .unwrap()
            .filter(|it| it.as_ref().unwrap().path().join("lock").is_file())
            .count();
        // Ten, of which `latest` is seen twice, and the old one that is in use.
        assert!((KEPT..=KEPT + 2).contains(&kept), "{kept} kept");
        let latest = runs.path().join("latest").canonicalize().unwrap();
        assert_eq!(latest, newest.path());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = RunDir::create(&file.path().join("runs"), "x").unwrap_err();
        assert!(format!("{error:#}").contains("create a directory for this run in"));
    }
}
