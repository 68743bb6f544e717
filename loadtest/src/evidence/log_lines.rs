//! Reads the lines of one kind from a service's log.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    path::Path,
};

/// Reads the lines of `log` whose `event.dataset` is `dataset`, from byte `from` on. A half line at the end, which a process
/// that was killed leaves, is left out.
///
/// # Errors
/// A log that cannot be read, or a line that `parse` finds broken.
pub(super) fn read<T>(
    log: &Path,
    from: u64,
    dataset: &str,
    parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
) -> io::Result<Vec<T>> {
    let mark = format!("\"event.dataset\":\"{dataset}\"");
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    let mut found = Vec::new();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        if line.windows(mark.len()).any(|it| it == mark.as_bytes()) {
            match parse(&line) {
                Ok(it) => found.push(it),
                Err(error) => return Err(broken(log, dataset, &line, &error)),
            }
        }
        line.clear();
    }
    Ok(found)
}

fn broken(log: &Path, dataset: &str, line: &[u8], error: &serde_json::Error) -> io::Error {
    let line = String::from_utf8_lossy(line);
    let text = format!(
        "{}: malformed {dataset} line ({error}): {line}",
        log.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}
