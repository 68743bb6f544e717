//! When a server that did not answer is tried again.

use std::time::Duration;

use tokio::time::Instant;

/// The wait after a failed attempt; it doubles up to the longest.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// What is known of the attempts so far.
pub(super) struct BackOff {
    failures: u32,
    not_before: Instant,
}

impl BackOff {
    pub(super) fn new() -> Self {
        Self {
            failures: 0,
            not_before: Instant::now(),
        }
    }

    /// Whether it is time for another attempt.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.not_before
    }

    /// An attempt failed. Returns the wait until the next, which is shortened at random, so that not everybody comes at once.
    pub(super) fn fail(&mut self) -> Duration {
        let wait = (FIRST * 2_u32.pow(self.failures.min(10))).min(LONGEST);
        let wait = wait.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.failures += 1;
        self.not_before = Instant::now() + wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wait_doubles_up_to_the_longest() {
        let mut back_off = BackOff::new();
        assert!(back_off.is_over(), "the first attempt is due at once");
        for expected in [100, 200, 400, 800, 1600, 2000, 2000] {
            let (wait, expected) = (back_off.fail(), Duration::from_millis(expected));
            assert!((expected / 2..=expected).contains(&wait), "{wait:?}");
            assert!(!back_off.is_over());
            tokio::time::advance(wait).await;
            assert!(back_off.is_over());
        }
    }
}
