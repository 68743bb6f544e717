//! Which calls are tried again, and when.
//!
//! Only calls that may be made twice are, and only by the caller next to the upstream: those further up would multiply what it
//! does. A budget bounds retries to a share of the calls, and none is begun that could not be over in time.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use resilience::{Backoff, Budget};
use tokio::time::Instant;

use crate::{counts::RetryCounts, fared::Again, protections::Retrying};

/// How often one call is tried again, ...
const MAX_RETRIES: u32 = 2;
/// ... and where nobody counts them.
const MAX_UNCOUNTED: u32 = 3;

/// The retries of the calls to one upstream.
#[derive(Debug)]
pub(crate) struct Retries {
    name: &'static str,
    /// What pays for them; none where nobody counts.
    budget: Option<Budget>,
    /// Whether the last call that asked for one got none.
    exhausted: AtomicBool,
    pub(crate) counts: RetryCounts,
}

/// A retry that was sent. Until it is known to have succeeded it has failed, also where its caller goes away.
#[derive(Debug)]
pub(crate) struct Sent<'a> {
    counts: &'a RetryCounts,
    succeeded: bool,
}

impl Retries {
    pub(crate) fn new(which: Retrying, name: &'static str) -> Self {
        Self {
            name,
            budget: which.allowance().map(Budget::new),
            exhausted: AtomicBool::new(false),
            counts: RetryCounts::of(name),
        }
    }

    /// How often one call is tried again.
    pub(crate) fn most(&self) -> u32 {
        match self.budget {
            Some(_) => MAX_RETRIES,
            None => MAX_UNCOUNTED,
        }
    }

    /// A call is made, and pays its share.
    pub(crate) fn pay_in(&self) {
        if let Some(budget) = &self.budget {
            budget.deposit(now());
        }
        self.show();
    }

    /// How long to wait before the next try, or none: it would not help, come too late, or be one too many.
    pub(crate) fn wait(
        &self,
        again: Again,
        before: Option<Duration>,
        deadline: Instant,
    ) -> Option<Duration> {
        let wait = match again {
            Again::No => return None,
            Again::Soon => Backoff::default().after(before, fastrand::f64()),
            Again::After(asked) => Backoff::asked(asked, fastrand::f64()),
        };
        if Instant::now() + wait >= deadline {
            return decline(&self.counts.no_time);
        }
        let granted = self.budget.as_ref().is_none_or(|it| it.withdraw(now()));
        self.show();
        if self.exhausted.swap(!granted, Ordering::Relaxed) == granted {
            let service = self.name;
            if granted {
                tracing::info!(service, "retry budget available again");
            } else {
                tracing::warn!(service, "retry budget exhausted");
            }
        }
        if granted {
            Some(wait)
        } else {
            decline(&self.counts.no_budget)
        }
    }

    /// A retry is sent now.
    pub(crate) fn send(&self) -> Sent<'_> {
        Sent {
            counts: &self.counts,
            succeeded: false,
        }
    }

    fn show(&self) {
        if let Some(budget) = &self.budget {
            self.counts.budget.set(budget.left(now()).into());
        }
    }
}

fn decline(counter: &Counter) -> Option<Duration> {
    counter.inc();
    None
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Sent<'_> {
    /// It was worth it.
    pub(crate) fn succeeded(&mut self) {
        self.succeeded = true;
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if self.succeeded {
            self.counts.succeeded.inc();
        } else {
            self.counts.failed.inc();
        }
    }
}
