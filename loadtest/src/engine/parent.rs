//! Starts the engine's process, follows it and reads what it wrote.

use std::{
    fs::File,
    io::{BufRead as _, BufReader as FileReader},
    path::Path,
    time::SystemTime,
};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::{
    attempt::{Attempt, Counts, Event},
    plan::Plan,
};
use crate::{
    interrupted::{Interrupt, Interrupted},
    process::{Process, ending},
};

/// What came of a plan.
pub(crate) struct Load {
    /// When the first arrival was due, by the clock that spans and scrapes go by; none, if the engine ended before.
    pub(crate) began: Option<SystemTime>,
    /// Every attempt that was written down.
    pub(crate) attempts: Vec<Attempt>,
    /// The engine's own counts, or how it ended before it could give them.
    pub(crate) counts: Result<Counts, String>,
}

/// Carries `plan` out in a process of its own; `follow` hears what the engine says.
///
/// # Errors
/// [`Interrupted`], or a machine that cannot start the process or keep its files.
pub(crate) async fn run(
    plan: &Plan,
    stop: &Interrupt,
    mut follow: impl FnMut(&Event),
) -> anyhow::Result<Load> {
    std::fs::create_dir_all(&plan.output)
        .with_context(|| format!("make {}", plan.output.display()))?;
    let log = plan.output.join("engine.log");
    let mut process = Process::spawn(&["engine".to_owned()], &log, |_| ())?;
    let mut line = serde_json::to_vec(plan)?;
    line.push(b'\n');
    process
        .socket
        .write_all(&line)
        .await
        .context("hand the plan to the engine")?;
    let (mut began, mut last) = (None, None);
    let mut lines = BufReader::new(&mut process.socket).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            () = stop.cancelled() => return Err(Interrupted.into()),
        };
        // Killed in the middle of a line, the engine leaves half of it, or resets the socket.
        let Some(event) = line
            .ok()
            .flatten()
            .and_then(|it| serde_json::from_str(&it).ok())
        else {
            break;
        };
        match event {
            Event::Done(counts) => last = Some(counts),
            Event::Began => {
                began = Some(SystemTime::now());
                follow(&event);
            }
            Event::Progress(_) => follow(&event),
        }
    }
    let status = process.child.wait().await.context("wait for the engine")?;
    let attempts = read(&plan.output.join("attempts.jsonl"))?;
    let counts = last.filter(|_| status.success()).ok_or_else(|| {
        format!(
            "load engine exited early with {} after {} attempts; log: {}",
            ending(status),
            attempts.len(),
            log.display()
        )
    });
    Ok(Load {
        began,
        attempts,
        counts,
    })
}

impl Load {
    /// Adds what came of a plan that went on `shift_us` microseconds after this one had begun.
    pub(crate) fn append(&mut self, more: Self, shift_us: i64) {
        self.attempts
            .extend(more.attempts.into_iter().map(|it| it.later(shift_us)));
        self.counts = match (
            std::mem::replace(&mut self.counts, Err(String::new())),
            more.counts,
        ) {
            (Ok(mut counts), Ok(more)) => {
                counts.add(&more);
                Ok(counts)
            }
            (Err(how), _) | (_, Err(how)) => Err(how),
        };
    }
}

/// Reads attempts up to the first half line, which an engine that was killed leaves.
fn read(path: &Path) -> anyhow::Result<Vec<Attempt>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    let mut attempts = Vec::new();
    for line in FileReader::new(file).lines() {
        let line = line.with_context(|| format!("read {}", path.display()))?;
        match serde_json::from_str(&line) {
            Ok(attempt) => attempts.push(attempt),
            Err(_) => break,
        }
    }
    Ok(attempts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(due_us: i64, counts: Result<Counts, String>) -> Load {
        let attempt = Attempt {
            id: format!("test-{due_us}-0"),
            phase: 1,
            route: "GET /products".into(),
            intended_us: due_us,
            sent_us: due_us + 1,
            done_us: due_us + 2,
            status: Some(200),
            error: None,
            order: None,
            product: None,
        };
        Load {
            began: None,
            attempts: vec![attempt],
            counts,
        }
    }

    #[test]
    fn load_that_went_on_is_counted_together_and_comes_later() {
        let counts = |due: u64| Counts {
            due: vec![0, due],
            dropped: vec![0, 1],
            attempts: 1,
            ..Counts::default()
        };
        let mut both = load(5, Ok(counts(10)));
        both.append(load(7, Ok(counts(20))), 1000);
        let last = &both.attempts[1];
        let times = (last.intended_us, last.sent_us, last.done_us);
        assert_eq!(times, (1007, 1008, 1009));
        let expected = Counts {
            due: vec![0, 30],
            dropped: vec![0, 2],
            attempts: 2,
            ..Counts::default()
        };
        assert_eq!(both.counts, Ok(expected));
        both.append(load(9, Err("killed".into())), 2000);
        assert_eq!(both.counts, Err("killed".into()));
        assert_eq!(both.attempts.len(), 3);
    }
}
