//! A circuit breaker: who has failed several times in a row is left alone for a while (Nygard, "Release It!", 2007).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

/// Counts failures in a row.
#[derive(Debug)]
pub struct Breaker {
    threshold: u32,
    open: Duration,
    state: Mutex<State>,
}

impl Breaker {
    /// Opens after `threshold` failures in a row, and stays `open` for so long before one call may try again.
    pub const fn new(threshold: u32, open: Duration) -> Self {
        Self {
            threshold,
            open,
            state: Mutex::new(State {
                failures: 0,
                open_until: None,
            }),
        }
    }

    /// Whether a call may be made now. Once the time is over, one caller is let through, and the others wait for how it fares.
    pub fn admits(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.open_until = Some(now + self.open);
                true
            }
        }
    }

    /// Whether calls are kept away.
    pub fn is_open(&self) -> bool {
        self.lock().open_until.is_some()
    }

    /// A call succeeded: the breaker closes.
    pub fn succeeded(&self) {
        *self.lock() = State::default();
    }

    /// A call failed; the last of several in a row opens the breaker.
    pub fn failed(&self, now: Instant) {
        let mut state = self.lock();
        state.failures += 1;
        if state.failures >= self.threshold {
            state.open_until = Some(now + self.open);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
        const OPEN: Duration = Duration::from_secs(1);
        let breaker = Breaker::new(5, OPEN);
        let now = Instant::now();
        for _ in 0..4 {
            breaker.failed(now);
        }
        breaker.succeeded();
        for _ in 0..5 {
            assert!(breaker.admits(now));
            breaker.failed(now);
        }
        assert!(!breaker.admits(now) && breaker.is_open());
        let later = now + OPEN;
        assert!(breaker.admits(later), "one may try");
        assert!(!breaker.admits(later), "the others wait");
        breaker.succeeded();
        assert!(breaker.admits(later) && !breaker.is_open());
    }
}
