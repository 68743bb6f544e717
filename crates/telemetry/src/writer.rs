//! Lines to standard output, and to files where they are wanted, without waiting for either: a bounded buffer, and a thread that
//! empties it.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{metrics::QueueMetrics, segments::Segments};

/// What may wait to be written; about 10,000 lines.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long the thread lets lines gather before it writes them all with one system call.
const LINGER: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: u64,
    writing: bool,
}

/// The buffer and what wakes its thread.
#[derive(Debug)]
pub(crate) struct Writer {
    buffer: Mutex<Buffer>,
    changed: Condvar,
    metrics: QueueMetrics,
}

static WRITER: OnceLock<Writer> = OnceLock::new();

/// Hands one line, its newline included, to the writer; before [`start`] it goes nowhere.
pub(crate) fn write(line: &[u8]) {
    if let Some(writer) = WRITER.get() {
        writer.push(line);
    }
}

/// Starts writing to standard output, and to `segments` as well.
pub(crate) fn start(segments: Option<Segments>) -> io::Result<()> {
    // A file of our own: `Stdout` would buffer by lines and take a lock for each.
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let writer = WRITER.get_or_init(Writer::new);
    thread::Builder::new()
        .name("log-writer".into())
        .spawn(|| writer.run(output, segments))
        .map(drop)
}

/// Waits until everything is written; false when `timeout` came first.
pub(crate) fn flush(timeout: Duration) -> bool {
    WRITER.get().is_none_or(|it| it.flush(timeout))
}

impl Writer {
    fn new() -> Self {
        Self {
            buffer: Mutex::default(),
            changed: Condvar::new(),
            metrics: QueueMetrics::of("logs"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut buffer = self.lock();
        if buffer.bytes.len() + line.len() > MAX_BYTES {
            drop(buffer);
            self.metrics.dropped.inc();
            return;
        }
        let first = buffer.bytes.is_empty();
        buffer.bytes.extend_from_slice(line);
        buffer.lines += 1;
        self.metrics.queued.inc();
        drop(buffer);
        // Waking a thread costs more than the line: do it once for all that gather meanwhile.
        if first {
            self.changed.notify_all();
        }
    }

    fn run(&self, mut output: File, mut segments: Option<Segments>) {
        let mut batch = Vec::new();
        loop {
            let empty = |it: &mut Buffer| it.bytes.is_empty();
            let buffer = self.changed.wait_while(self.lock(), empty);
            drop(buffer);
            thread::sleep(LINGER);
            let mut buffer = self.lock();
            std::mem::swap(&mut batch, &mut buffer.bytes);
            let lines = std::mem::take(&mut buffer.lines);
            buffer.writing = true;
            drop(buffer);
            let printed = output.write_all(&batch);
            let kept = segments.as_mut().map_or(Ok(()), |it| it.write(&batch));
            if printed.is_err() || kept.is_err() {
                // Nothing can be logged now; the counter is where it shows.
                self.metrics.dropped.inc_by(lines);
            }
            batch.clear();
            self.metrics
                .queued
                .dec_by(i64::try_from(lines).unwrap_or(i64::MAX));
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut buffer = self.lock();
        while !buffer.bytes.is_empty() || buffer.writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            buffer = match self.changed.wait_timeout(buffer, left) {
                Ok((buffer, _)) => buffer,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }
}
