//! Decorrelated jitter: how long to wait before the next try, so that those who failed together do not come back together.
//!
//! Each wait is random between the shortest and three times the one before (Brooker, "Exponential Backoff And Jitter", 2015, where it does
//! less work than full jitter for the same time).
//!
//! Weighed: tower's `ExponentialBackoff` has jitter around an exponential, from a random generator of its own.

use std::time::Duration;

/// The bounds of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Default for Backoff {
    /// 25 ms to 1 s.
    fn default() -> Self {
        Self {
            least: Duration::from_millis(25),
            most: Duration::from_secs(1),
        }
    }
}

impl Backoff {
    /// How long to wait after having waited `before` (nothing, before the first retry). `random` is uniform in 0 to 1.
    pub fn after(&self, before: Option<Duration>, random: f64) -> Duration {
        let before = before.unwrap_or(self.least).max(self.least);
        let longest = before
            .saturating_mul(3)
            .clamp(self.least, self.most.max(self.least));
        let span = longest.saturating_sub(self.least);
        self.least + span.mul_f64(random.clamp(0.0, 1.0))
    }

    /// How long to wait if the other side has asked for `asked`: that, and at random up to half as much again, so that those who were
    /// told the same do not come back together.
    pub fn asked(asked: Duration, random: f64) -> Duration {
        asked.saturating_add(asked.mul_f64(random.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_threefold_at_most_and_are_capped() {
        let backoff = Backoff::default();
        let mut wait = None;
        let mut waits = Vec::new();
        for _ in 0..6 {
            let next = backoff.after(wait, 1.0);
            waits.push(next.as_millis());
            wait = Some(next);
        }
        assert_eq!(waits, [75, 225, 675, 1000, 1000, 1000]);
        assert_eq!(backoff.after(wait, 0.0), backoff.least);
    }

    #[test]
    fn what_was_asked_for_is_never_undercut() {
        let second = Duration::from_secs(1);
        assert_eq!(Backoff::asked(second, 0.0), second);
        assert_eq!(Backoff::asked(second, 1.0), second * 3 / 2);
    }
}
