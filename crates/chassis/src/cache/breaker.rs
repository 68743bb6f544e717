//! A circuit breaker: who has failed several times in a row is left alone for a while (Nygard, "Release It!", 2007).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Failures in a row that open it.
const THRESHOLD: u32 = 5;
/// How long it stays open before one call may try again.
const OPEN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

impl Breaker {
    /// Whether a call may be made now. Once the time is over, one caller is let through, and the others wait for how it fares.
    pub(super) fn admits(&self) -> bool {
        let mut state = self.lock();
        match state.open_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                state.open_until = Some(Instant::now() + OPEN);
                true
            }
        }
    }

    /// Whether calls are kept away.
    pub(super) fn is_open(&self) -> bool {
        self.lock().open_until.is_some()
    }

    pub(super) fn succeeded(&self) {
        *self.lock() = State::default();
    }

    pub(super) fn failed(&self) {
        let mut state = self.lock();
        state.failures += 1;
        if state.failures >= THRESHOLD {
            state.open_until = Some(Instant::now() + OPEN);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
        let breaker = Breaker::default();
        for _ in 0..THRESHOLD - 1 {
            breaker.failed();
        }
        breaker.succeeded();
        for _ in 0..THRESHOLD {
            assert!(breaker.admits());
            breaker.failed();
        }
        assert!(!breaker.admits() && breaker.is_open());
        tokio::time::advance(OPEN).await;
        assert!(breaker.admits(), "one may try");
        assert!(!breaker.admits(), "the others wait");
        breaker.succeeded();
        assert!(breaker.admits() && !breaker.is_open());
    }
}
