//! Time that passes faster than real time.

use std::time::{Duration, Instant, SystemTime};

/// From a point in real time on, so many seconds pass in each real one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
    origin: SystemTime,
    scale: f64,
}

impl Clock {
    /// Begins now, with the time of day.
    pub(super) fn start(scale: f64) -> Self {
        Self {
            began: Instant::now(),
            origin: SystemTime::now(),
            scale,
        }
    }

    /// What time it is here at an instant.
    pub(super) fn time_of(&self, instant: Instant) -> SystemTime {
        match instant.checked_duration_since(self.began) {
            Some(after) => self.origin + after.mul_f64(self.scale),
            None => self.origin - (self.began - instant).mul_f64(self.scale),
        }
    }

    /// How long a real duration is here.
    pub(super) fn scaled(&self, real: Duration) -> Duration {
        real.mul_f64(self.scale)
    }

    /// How long a duration of here is in real time.
    pub(super) fn real(&self, scaled: Duration) -> Duration {
        scaled.div_f64(self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_passes_faster_alike() {
        let clock = Clock::start(30.0);
        let second = Duration::from_secs(1);
        let at = |it: Instant| clock.time_of(it);
        let earlier = clock.began.checked_sub(second).unwrap();
        let between = at(clock.began + second).duration_since(at(earlier));
        assert_eq!(between.unwrap(), 60 * second);
        assert_eq!(clock.real(15 * second), second / 2);
        assert_eq!(clock.scaled(second / 2), 15 * second);
    }
}
