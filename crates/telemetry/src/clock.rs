//! One clock for all that this process tells the time of.
//!
//! Times of day are counted from one reading by the monotonic clock. Whoever reads both clocks each time tells two things that
//! cannot be when its thread is suspended between the readings: that a child outlived its parent, or an answer came before the
//! question.

use std::{
    sync::{LazyLock, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};

/// A time of day that is further from the clock's was set meanwhile, and is followed.
const STEP: Duration = Duration::from_millis(50);
/// Readings of which the quickest is taken.
const READINGS: usize = 8;

static ANCHOR: LazyLock<RwLock<Anchor>> = LazyLock::new(|| RwLock::new(Anchor::new()));

/// The same moment on both clocks.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    time: SystemTime,
    clock: Instant,
}

impl Anchor {
    fn new() -> Self {
        let readings = (0..READINGS).map(|_| {
            let clock = Instant::now();
            let time = SystemTime::now();
            (clock.elapsed(), Self { time, clock })
        });
        let quickest = readings.min_by_key(|it| it.0);
        quickest.expect("there is more than none").1
    }

    fn time(self, clock: Instant) -> SystemTime {
        match clock.checked_duration_since(self.clock) {
            Some(since) => self.time + since,
            None => self.time - self.clock.duration_since(clock),
        }
    }

    /// Whether the clock says something else at this moment than `shown`.
    fn is_off(self, clock: Instant, shown: SystemTime) -> bool {
        let told = self.time(clock);
        let apart = match told.duration_since(shown) {
            Ok(it) => it,
            Err(error) => error.duration(),
        };
        apart > STEP
    }
}

/// When something began, and how long it has taken since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Began {
    pub(crate) at: SystemTime,
    clock: Instant,
}

impl Began {
    pub(crate) fn now() -> Self {
        let clock = Instant::now();
        let shown = SystemTime::now();
        let anchor = *ANCHOR.read().unwrap_or_else(PoisonError::into_inner);
        let at = anchor.time(clock);
        if !anchor.is_off(clock, shown) {
            return Self { at, clock };
        }
        let fresh = Anchor::new();
        // Otherwise it was this thread that was suspended between the readings.
        if anchor.is_off(fresh.clock, fresh.time) {
            *ANCHOR.write().unwrap_or_else(PoisonError::into_inner) = fresh;
            let at = fresh.time(clock);
            return Self { at, clock };
        }
        Self { at, clock }
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.clock.elapsed()
    }
}

/// The time of day.
pub(crate) fn now() -> SystemTime {
    Began::now().at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_later_and_ends_earlier_is_within() {
        for _ in 0..10_000 {
            let outer = Began::now();
            let inner = Began::now();
            let inner_end = inner.at + inner.elapsed();
            let outer_end = outer.at + outer.elapsed();
            assert!(outer.at <= inner.at && inner_end <= outer_end);
        }
    }

    #[test]
    fn the_time_is_that_of_the_day() {
        let before = SystemTime::now();
        let told = now();
        let after = SystemTime::now();
        let skew = Duration::from_millis(1);
        assert!(before - skew <= told && told <= after + skew);
    }

    #[test]
    fn a_clock_that_is_set_is_followed_and_a_slow_reading_is_not() {
        let anchor = Anchor::new();
        let second = Duration::from_secs(1);
        let later = anchor.clock + second;
        assert_eq!(anchor.time(later), anchor.time + second);
        let earlier = anchor.clock.checked_sub(second).unwrap();
        assert_eq!(anchor.time(earlier), anchor.time - second);
        for (shown, is_off) in [
            (anchor.time + second, false),
            (anchor.time + second + Duration::from_millis(20), false),
            (anchor.time + second * 2, true),
            (anchor.time, true),
        ] {
            assert_eq!(anchor.is_off(later, shown), is_off);
        }
    }
}
