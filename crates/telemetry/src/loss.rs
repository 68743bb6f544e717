//! Losing telemetry on purpose and without counting it, so that a reconciliation can prove that it notices.
//!
//! Switched on the admin port of a service that was started with `FAULTS=on`, and nowhere else.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

/// What can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Access lines.
    Logs,
    /// Spans.
    Traces,
    /// Samples of the latency histograms.
    Metrics,
}

struct Loss {
    one_in: AtomicU32,
    seen: AtomicU32,
}

static LOSSES: [Loss; 3] = [const {
    Loss {
        one_in: AtomicU32::new(0),
        seen: AtomicU32::new(0),
    }
}; 3];

/// Loses one of every `n` items of `signal` from now on, the middle one of each `n`; 0 ends it.
pub fn one_in(signal: Signal, n: u32) {
    LOSSES[signal as usize].one_in.store(n, Ordering::Relaxed);
}

/// Whether this item is to be lost: one relaxed load when nothing is.
pub(crate) fn strikes(signal: Signal) -> bool {
    let loss = &LOSSES[signal as usize];
    match loss.one_in.load(Ordering::Relaxed) {
        0 => false,
        n => loss.seen.fetch_add(1, Ordering::Relaxed) % n == n / 2,
    }
}
