//! Writes attempts down as they end, without holding anyone up.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;

use super::attempt::Attempt;

/// Attempts that wait to be written; further ones are counted as unrecorded.
const QUEUE: usize = 1 << 16;
/// What is written is in the file after this.
const FLUSH: Duration = Duration::from_millis(200);

/// The writing thread and the way to it.
pub(super) struct Recorder {
    queue: SyncSender<Option<Attempt>>,
    unrecorded: AtomicU64,
}

impl Recorder {
    /// Starts writing to `path`. The thread ends when the recorder is closed.
    pub(super) fn start(path: &Path) -> anyhow::Result<(Self, JoinHandle<std::io::Result<()>>)> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let (queue, attempts) = sync_channel(QUEUE);
        let writing = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || write(BufWriter::new(file), &attempts))
            .context("start the recorder's thread")?;
        let it = Self {
            queue,
            unrecorded: AtomicU64::new(0),
        };
        Ok((it, writing))
    }

    pub(super) fn record(&self, attempt: Attempt) {
        if self.queue.try_send(Some(attempt)).is_err() {
            self.unrecorded.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }

    /// Nothing comes any more: lets the thread write what waits and end.
    pub(super) fn close(&self) {
        // A thread that is gone already has told why.
        let _ = self.queue.send(None);
    }
}

fn write(mut file: BufWriter<File>, attempts: &Receiver<Option<Attempt>>) -> std::io::Result<()> {
    loop {
        match attempts.recv_timeout(FLUSH) {
            Ok(Some(attempt)) => {
                serde_json::to_writer(&mut file, &attempt)?;
                file.write_all(b"\n")?;
            }
            Err(RecvTimeoutError::Timeout) => file.flush()?,
            Ok(None) | Err(RecvTimeoutError::Disconnected) => return file.flush(),
        }
    }
}
