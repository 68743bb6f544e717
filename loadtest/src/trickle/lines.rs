//! Whether the access lines of the trickle's requests arrive where people look for them: in Elasticsearch, in time, and once.
//!
//! Requests are named in blocks of ten seconds, so that one question finds the lines of a block. It is asked when the last of them
//! must have arrived.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::evidence::documents::{Document, Documents};

/// How long a block is.
const BLOCK: Duration = Duration::from_secs(10);
/// A line that is not found so long after its block is late.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest wait for an Elasticsearch that does not answer; then the lines of the block are late.
const GIVEN_UP: Duration = Duration::from_mins(3);

/// Counter: access lines of the trickle's requests. Label `outcome` (`arrived`; `late`, if at all; `twice`).
const LINES: &str = "trickle_log_lines_total";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

static COUNTED: LazyLock<Family<OutcomeLabel, Counter>> = LazyLock::new(|| {
    let help = "Access lines of the trickle's requests, by whether they arrived in Elasticsearch";
    telemetry::register(LINES, help, Family::default())
});

/// Requests of a stretch of time whose lines nobody has looked for yet.
#[derive(Debug)]
struct Block {
    /// What the ids of its requests begin with.
    prefix: String,
    began: Instant,
    /// Requests that were answered.
    answered: BTreeSet<String>,
}

/// The lines that are waited for.
pub(super) struct Lines {
    documents: Documents,
    /// Sets this process' ids apart from those of another.
    name: String,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The newest last.
    blocks: VecDeque<Block>,
    /// How many requests and blocks there were.
    named: u64,
}

impl Lines {
    /// Those of a process that is called `name`, as `documents` has them.
    pub(super) fn new(documents: Documents, name: String) -> Self {
        for outcome in ["arrived", "late", "twice"] {
            count(outcome, 0);
        }
        Self {
            documents,
            name,
            waiting: Mutex::default(),
        }
    }

    /// An id for the next request, which is sent now.
    pub(super) fn next_id(&self, now: Instant) -> String {
        let mut waiting = self.lock();
        waiting.named += 1;
        let number = waiting.named;
        let current = waiting.blocks.back();
        if current.is_none_or(|it| now.duration_since(it.began) >= BLOCK) {
            waiting.blocks.push_back(Block {
                prefix: format!("{}-{number}-", self.name),
                began: now,
                answered: BTreeSet::new(),
            });
        }
        let block = waiting.blocks.back().expect("one was added");
        format!("{}{number}", block.prefix)
    }

    /// The request was answered, so there must be a line.
    pub(super) fn answered(&self, id: String) {
        let mut waiting = self.lock();
        let mut blocks = waiting.blocks.iter_mut().rev();
        if let Some(block) = blocks.find(|it| id.starts_with(&it.prefix)) {
            block.answered.insert(id);
        }
    }

    /// Looks for lines until it is told to stop.
    pub(super) async fn watch(&self, stop: CancellationToken) {
        let mut due = interval(BLOCK);
        due.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while stop.run_until_cancelled(due.tick()).await.is_some() {
            while let Some(block) = self.oldest_due(Instant::now()) {
                match self.documents.access(&block.prefix).await {
                    Ok(documents) => look(&block.answered, &documents),
                    Err(_) if block.began.elapsed() < BLOCK + GIVEN_UP => {
                        self.lock().blocks.push_front(block);
                        break;
                    }
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::warn!(error, "log lines cannot be looked for");
                        look(&block.answered, &[]);
                    }
                }
            }
        }
    }

    /// The oldest block, if its lines must have arrived.
    fn oldest_due(&self, now: Instant) -> Option<Block> {
        let mut waiting = self.lock();
        let oldest = waiting.blocks.front()?;
        let due = now.duration_since(oldest.began) >= BLOCK + PATIENCE;
        due.then(|| waiting.blocks.pop_front())?
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the lines of the gateway; what the services behind it write comes the same way.
fn look(answered: &BTreeSet<String>, documents: &[Document]) {
    for (outcome, lines) in outcomes(answered, documents) {
        count(outcome, lines);
    }
}

fn outcomes(answered: &BTreeSet<String>, documents: &[Document]) -> BTreeMap<&'static str, u64> {
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for it in documents.iter().filter(|it| it.service == "gateway") {
        *found.entry(&it.request_id).or_default() += 1;
    }
    let mut outcomes = BTreeMap::new();
    for id in answered {
        let outcome = match found.get(id.as_str()) {
            None => "late",
            Some(1) => "arrived",
            Some(_) => "twice",
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

fn count(outcome: &'static str, lines: u64) {
    COUNTED
        .get_or_create(&OutcomeLabel { outcome })
        .inc_by(lines);
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;

    fn lines() -> Lines {
        let stream = Url::parse("http://127.0.0.1:9/logs").unwrap();
        Lines::new(Documents::at(&stream).unwrap(), "trickle.1".into())
    }

    #[test]
    fn lines_are_there_once_or_late_or_twice() {
        let document = |service: &str, id: &str| Document {
            service: service.into(),
            request_id: id.into(),
            ..Document::default()
        };
        let documents = [
            document("gateway", "a"),
            document("gateway", "b"),
            document("gateway", "b"),
            document("catalog", "c"),
            document("gateway", "not answered"),
        ];
        let answered = ["a", "b", "c", "d"].map(str::to_owned).into();
        let expected = [("arrived", 1), ("late", 2), ("twice", 1)];
        assert_eq!(outcomes(&answered, &documents), expected.into());
    }

    #[test]
    fn a_block_is_looked_for_when_its_last_line_must_have_arrived() {
        let lines = lines();
        let (began, moment) = (Instant::now(), Duration::from_millis(1));
        let first = lines.next_id(began);
        let second = lines.next_id(began + BLOCK - moment);
        let third = lines.next_id(began + BLOCK);
        lines.answered(third);
        lines.answered(first.clone());
        lines.answered(second.clone());
        let due = began + BLOCK + PATIENCE;
        assert!(lines.oldest_due(due - moment).is_none());
        let block = lines.oldest_due(due).unwrap();
        assert_eq!(block.answered, [first, second].into());
        assert!(lines.oldest_due(due).is_none(), "the next one is not over");
    }
}
