//! The end of a log, for a person.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use serde_json::Value;

/// How much of a log is looked at, in bytes.
const WINDOW: u64 = 16 * 1024;

/// The last `count` lines that are not access lines, JSON put into words.
pub(super) fn tail(path: &Path, count: usize) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(WINDOW);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if from > 0 {
            // The window begins in the middle of a line.
            let whole = bytes
                .iter()
                .position(|it| *it == b'\n')
                .map_or(0, |it| it + 1);
            bytes.drain(..whole);
        }
        Ok(bytes)
    };
    let Ok(bytes) = read() else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let told: Vec<_> = text.lines().filter_map(in_words).collect();
    told[told.len().saturating_sub(count)..].to_vec()
}

fn in_words(line: &str) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
        return (!line.trim().is_empty()).then(|| line.to_owned());
    };
    if fields.get("event.dataset").is_some_and(|it| it == "access") {
        return None;
    }
    let text = |name| fields.get(name).and_then(Value::as_str);
    let level = text("log.level").unwrap_or("info");
    let message = text("message").unwrap_or("");
    let error = text("error.message").or_else(|| text("error"));
    Some(match error {
        Some(error) => format!("{level}: {message}: {error}"),
        None => format!("{level}: {message}"),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn access_lines_are_left_out_and_json_is_put_into_words() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        writeln!(log, "{{\"log.level\":\"info\",\"message\":\"ready\"}}").unwrap();
        writeln!(
            log,
            "{{\"message\":\"request served\",\"event.dataset\":\"access\"}}"
        )
        .unwrap();
        writeln!(
            log,
            "{{\"log.level\":\"error\",\"message\":\"cannot run\",\"error\":\"no disk\"}}"
        )
        .unwrap();
        write!(log, "thread panicked").unwrap();
        let told = tail(log.path(), 2);
        assert_eq!(told, ["error: cannot run: no disk", "thread panicked"]);
    }
}
