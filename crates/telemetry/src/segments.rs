//! Lines in files beside standard output, for a shipper that may not read what the container engine keeps.
//!
//! A file is written by one process and never renamed: when it is full, the next begins under a name of its own. So the path of a
//! file and an offset in it name a line for ever, whoever reads it and however often. Whoever writes a file holds its lock, and so
//! what a process that is gone has left can be told from what another is writing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime},
};

use time::{OffsetDateTime, UtcDateTime};

/// The size, in bytes, after which a file is full.
const SEGMENT: u64 = 16 * 1024 * 1024;
/// Files a replica keeps, the one it writes included: 128 MiB.
const KEPT: usize = 8;
/// What a replica that is gone has left is kept so long after its last line, for whoever reads behind.
const LEGACY: Duration = Duration::from_hours(1);

/// Where the files are, and the one that is written.
#[derive(Debug)]
pub(crate) struct Segments {
    directory: PathBuf,
    service: String,
    host: String,
    segment: u64,
    current: Option<(File, u64)>,
}

impl Segments {
    /// Begins the first file.
    ///
    /// # Errors
    /// A directory that does not exist or cannot be written to.
    pub(crate) fn open(directory: &Path, service: &str) -> io::Result<Self> {
        let host = rustix::system::uname();
        let mut it = Self {
            directory: directory.to_owned(),
            service: service.to_owned(),
            host: host.nodename().to_string_lossy().into_owned(),
            segment: SEGMENT,
            current: None,
        };
        it.begin()?;
        Ok(it)
    }

    /// Appends whole lines. After a failure, the next call tries a new file.
    ///
    /// # Errors
    /// A full disk, say; the lines are then not, or not all, in the file.
    pub(crate) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.current.as_ref().is_none_or(|it| it.1 >= self.segment) {
            self.begin()?;
        }
        let Some((file, size)) = &mut self.current else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let written = file.write_all(lines);
        *size += lines.len() as u64;
        if written.is_err() {
            self.current = None;
        }
        written
    }

    fn begin(&mut self) -> io::Result<()> {
        self.current = None;
        let path = self.directory.join(self.name(SystemTime::now()));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)?;
        // A file system without locks keeps the lines all the same; only what the dead have left is then kept for longer.
        let _ = file.try_lock();
        self.current = Some((file, 0));
        if let Err(error) = self.tidy(&path) {
            tracing::warn!(%error, "old log files not deleted");
        }
        Ok(())
    }

    /// `SERVICE-HOST-PROCESS-20261127T061500.000001Z.log`
    fn name(&self, at: SystemTime) -> String {
        let at = UtcDateTime::from(OffsetDateTime::from(at));
        let (date, time) = (at.date(), at.time());
        format!(
            "{}{}-{:04}{:02}{:02}T{:02}{:02}{:02}.{:06}Z.log",
            self.own(),
            process::id(),
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.microsecond()
        )
    }

    /// How the names of this replica's files begin, before and after a restart.
    fn own(&self) -> String {
        format!("{}-{}-", self.service, self.host)
    }

    /// Deletes the oldest of this replica's files, and those of replicas that are gone.
    fn tidy(&self, current: &Path) -> io::Result<()> {
        let (service, own) = (format!("{}-", self.service), self.own());
        let mut mine = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_log = path.extension().is_some_and(|it| it == "log");
            if !is_log || !name.starts_with(&service) || path == current {
                continue;
            }
            if name.starts_with(&own) {
                mine.push(path);
            } else if is_legacy(&path) {
                delete(&path)?;
            }
        }
        // By age: a restarted process may have another number.
        mine.sort_by_key(|it| fs::metadata(it).and_then(|it| it.modified()).ok());
        let surplus = (mine.len() + 1).saturating_sub(KEPT);
        for path in mine.into_iter().take(surplus) {
            if !is_written(&path) {
                delete(&path)?;
            }
        }
        Ok(())
    }
}

/// Whether nobody writes the file any more, nor has for a while.
fn is_legacy(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|it| it.modified());
    let age = modified.ok().and_then(|it| it.elapsed().ok());
    age.is_some_and(|it| it > LEGACY) && !is_written(path)
}

fn is_written(path: &Path) -> bool {
    File::open(path).is_ok_and(|it| it.try_lock_shared().is_err())
}

/// Two replicas may find the same file.
fn delete(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn small(directory: &Path, service: &str) -> Segments {
        let mut it = Segments::open(directory, service).unwrap();
        it.segment = 10;
        it
    }

    #[test]
    fn lines_stay_whole_and_a_full_file_is_followed_by_another() {
        let directory = tempfile::tempdir().unwrap();
        let mut segments = small(directory.path(), "shop");
        for line in ["one\ntwo\n", "three\n", "four\n"] {
            segments.write(line.as_bytes()).unwrap();
        }
        let names = names(directory.path());
        let read = |name: &String| fs::read_to_string(directory.path().join(name)).unwrap();
        let texts: Vec<_> = names.iter().map(read).collect();
        assert_eq!(texts, ["one\ntwo\nthree\n", "four\n"]);
        assert!(names[0].starts_with("shop-"), "{names:?}");
    }

    #[test]
    fn a_replica_keeps_its_newest_files_only() {
        let directory = tempfile::tempdir().unwrap();
        let mut segments = small(directory.path(), "shop");
        for number in 0..3 * KEPT {
            segments
                .write(format!("line {number:06}\n").as_bytes())
                .unwrap();
        }
        let names = names(directory.path());
        assert_eq!(names.len(), KEPT);
        let newest = fs::read_to_string(directory.path().join(&names[KEPT - 1])).unwrap();
        assert_eq!(newest, format!("line {:06}\n", 3 * KEPT - 1));
    }

    #[test]
    fn what_a_dead_replica_left_goes_and_what_a_live_one_writes_stays() {
        let directory = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * LEGACY;
        let make = |name: &str| {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(old).unwrap();
            file
        };
        make("shop-gone-1-20260101T000000.000000Z.log");
        let live = make("shop-live-1-20260101T000000.000000Z.log");
        live.try_lock().unwrap();
        make("shopping-gone-1-20260101T000000.000000Z.log");
        make("shop-gone-1.txt");
        let _segments = small(directory.path(), "shop");
        let names = names(directory.path());
        let kept = [
            "shop-gone-1.txt",
            "shop-live-1-20260101T000000.000000Z.log",
            "shopping-gone-1-20260101T000000.000000Z.log",
        ];
        assert_eq!(names.len(), kept.len() + 1, "{names:?}");
        assert!(
            kept.iter().all(|it| names.contains(&(*it).to_owned())),
            "{names:?}"
        );
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let error = Segments::open(Path::new("/nowhere/at/all"), "shop").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
