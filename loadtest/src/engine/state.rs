//! What goose users, the arrival process and the reporter share.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::Notify;

use super::{
    attempt::{Attempt, Counts},
    doors::Doors,
    mix::PERSONAS,
    plan::Plan,
    recorder::Recorder,
    turnstile::Turnstile,
};

/// A plan that is being carried out.
pub(crate) struct Engine {
    pub(super) plan: Plan,
    pub(super) client: reqwest::Client,
    pub(super) doors: Doors,
    /// One for each persona.
    pub(super) turnstiles: [Turnstile; PERSONAS.len()],
    pub(super) recorder: Recorder,
    pub(super) origin: OnceLock<Instant>,
    pub(super) began: Notify,
    pub(super) visiting: AtomicUsize,
    pub(super) attempts: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) due: Vec<AtomicU64>,
    pub(super) dropped: Vec<AtomicU64>,
}

impl Engine {
    /// Microseconds from the first arrival's time to `at`.
    pub(super) fn micros(&self, at: Instant) -> i64 {
        let origin = *self.origin.get().unwrap_or(&at);
        let (span, sign) = match at.checked_duration_since(origin) {
            Some(after) => (after, 1),
            None => (origin - at, -1),
        };
        i64::try_from(span.as_micros()).map_or(i64::MAX, |it| it * sign)
    }

    pub(super) fn record(&self, attempt: Attempt) {
        self.attempts.fetch_add(1, Relaxed);
        self.errors
            .fetch_add(attempt.error.is_some().into(), Relaxed);
        self.recorder.record(attempt);
    }

    pub(super) fn entered(&self) {
        self.visiting.fetch_add(1, Relaxed);
    }

    pub(super) fn left(&self) {
        self.visiting.fetch_sub(1, Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |it: &[AtomicU64]| it.iter().map(|it| it.load(Relaxed)).collect();
        Counts {
            due: read(&self.due),
            dropped: read(&self.dropped),
            attempts: self.attempts.load(Relaxed),
            errors: self.errors.load(Relaxed),
            unrecorded: self.recorder.unrecorded(),
        }
    }
}
