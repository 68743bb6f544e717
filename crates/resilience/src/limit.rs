//! An adaptive concurrency limit: as many requests at once as are answered without queueing.
//!
//! The rule is that of TCP Vegas (Brakmo, O'Malley and Peterson, 1994), as Netflix's `concurrency-limits` has it for servers: of `L` requests
//! at once, `L · (1 − base / now)` queue, where `base` is how long one takes when none queues and `now` how long it takes at present. If
//! fewer queue than a twelfth of `L`, the limit grows; if more than a sixth, it falls to where a few would.
//!
//! Four things differ from Netflix's. Latencies are compared as means of whole windows, because requests of different kinds take
//! differently long. The allowance is a share of `L` and not its logarithm, which at a limit of fifteen allows half of it to queue.
//! And the base is measured anew now and then, else a service that has become slower for good would be taken for one that queues: while
//! few requests are under way simply so, and where the limit is reached at half of it, so that no queue is measured with it (as Envoy's
//! `adaptive_concurrency` does, at three). And a latency that is above the base by less than the noise of the machine tells of no queue:
//! where a request takes a tenth of a millisecond, every pause of the scheduler would.
//!
//! Weighed: Netflix's `Gradient2` follows a mean of the past, and so forgets within minutes of overload what was normal. tower has only
//! fixed limits.

use std::time::{Duration, Instant};

/// How many windows are measured at half the limit: the first drains the queue, the last is the new base.
const MEASURING: u32 = 2;

/// Within which bounds and how soon the limit moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Never below this; at least 1.
    pub least: usize,
    /// Never above this.
    pub most: usize,
    /// Where it begins.
    pub first: usize,
    /// How long latencies are gathered before the limit moves,
    pub window: Duration,
    /// and how many there must be.
    pub samples: u32,
    /// After how long the base is measured anew.
    pub remeasure: Duration,
    /// How far a latency may be above the base without a queue.
    pub noise: Duration,
}

impl Default for Bounds {
    /// 4 to 1,000, beginning at 20; a tenth of a second or ten samples, whichever comes later; a new base every minute; no noise.
    fn default() -> Self {
        Self {
            least: 4,
            most: 1_000,
            first: 20,
            window: Duration::from_millis(100),
            samples: 10,
            remeasure: Duration::from_mins(1),
            noise: Duration::ZERO,
        }
    }
}

/// How many requests may be under way at once.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use resilience::{Admission, Bounds, Limit, Priority};
///
/// let (mut limit, admission) = (Limit::new(Bounds::default()), Admission::default());
/// let (now, in_flight) = (Instant::now(), 15);
/// assert!(!admission.admits(Priority::Normal, in_flight, limit.current()), "75 % of 20 are under way");
/// assert!(admission.admits(Priority::Critical, in_flight, limit.current()));
/// // When it has been answered:
/// limit.completed(Duration::from_millis(40), in_flight + 1, now + Duration::from_millis(40));
/// ```
#[derive(Debug)]
pub struct Limit {
    bounds: Bounds,
    allowed: f64,
    /// How long a request takes when none queues, and when that is to be measured anew.
    base: Option<(Duration, Instant)>,
    /// Windows that are still to be measured at half the limit.
    remeasuring: u32,
    window: Gathering,
}

/// The samples of a window.
#[derive(Debug, Default)]
struct Gathering {
    began: Option<Instant>,
    total: Duration,
    count: u32,
    dropped: u32,
    most_in_flight: usize,
    /// Whether somebody found no room.
    reached: bool,
}

impl Limit {
    /// Begins at `bounds.first`.
    pub fn new(bounds: Bounds) -> Self {
        let bounds = Bounds {
            least: bounds.least.max(1),
            most: bounds.most.max(bounds.least).max(1),
            ..bounds
        };
        Self {
            allowed: float(bounds.first.clamp(bounds.least, bounds.most)),
            bounds,
            base: None,
            remeasuring: 0,
            window: Gathering::default(),
        }
    }

    /// How many requests may be under way now.
    pub fn current(&self) -> usize {
        let limit = if self.remeasuring > 0 {
            self.allowed / 2.0
        } else {
            self.allowed
        };
        whole(limit).clamp(self.bounds.least, self.bounds.most)
    }

    /// How long a request takes when none queues, if that is known: one with less time left need not begin.
    pub fn base(&self) -> Option<Duration> {
        self.base.map(|(latency, _)| latency)
    }

    /// A request that began when `in_flight` were under way, itself included, took `latency`.
    pub fn completed(&mut self, latency: Duration, in_flight: usize, now: Instant) {
        self.window.total += latency;
        self.window.count += 1;
        self.gathered(in_flight, now);
    }

    /// A request was given up for want of time: whatever its latency, there are too many.
    pub fn dropped(&mut self, in_flight: usize, now: Instant) {
        self.window.dropped += 1;
        self.gathered(in_flight, now);
    }

    /// Somebody found no room. Who may use only a share of the limit ([`Admission`](crate::Admission)) finds none before there are so many.
    pub fn reached(&mut self) {
        self.window.reached = true;
    }

    fn gathered(&mut self, in_flight: usize, now: Instant) {
        let window = &mut self.window;
        window.most_in_flight = window.most_in_flight.max(in_flight);
        let began = *window.began.get_or_insert(now);
        let samples = window.count + window.dropped;
        if samples < self.bounds.samples.max(1)
            || now.saturating_duration_since(began) < self.bounds.window
        {
            return;
        }
        let window = std::mem::take(&mut self.window);
        self.adapt(&window, now);
    }

    fn adapt(&mut self, window: &Gathering, now: Instant) {
        // More than a tenth given up: there is no latency to go by that would tell how far to fall.
        if window.dropped * 10 > window.count + window.dropped {
            self.set(self.allowed * 0.9);
            return;
        }
        let latency = window.total / window.count.max(1);
        let reached = window.reached || float(window.most_in_flight) >= self.allowed.floor();
        if self.remeasuring > 0 {
            self.remeasuring -= 1;
            if self.remeasuring == 0 {
                self.rebase(latency, now);
            }
            return;
        }
        let Some((base, due)) = self.base else {
            // There may have been a queue already.
            self.rebase(latency, now);
            return;
        };
        if latency < base {
            self.rebase(latency, now);
        } else if now >= due && reached {
            self.remeasuring = MEASURING;
            return;
        } else if now >= due && float(window.most_in_flight) * 2.0 <= self.allowed {
            self.rebase(latency, now);
        }
        let used = window.reached || float(window.most_in_flight) * 2.0 > self.allowed;
        self.follow(base.min(latency), latency, used);
    }

    /// Takes a new base. If it is far below the one before, that was measured with a queue, and so may this be: then it is soon measured
    /// again.
    fn rebase(&mut self, latency: Duration, now: Instant) {
        let fell = self
            .base
            .is_none_or(|(before, _)| latency * 10 < before * 9);
        let again = if fell {
            self.bounds.window * 10
        } else {
            self.bounds.remeasure
        };
        self.base = Some((latency, now + again.min(self.bounds.remeasure)));
    }

    fn follow(&mut self, base: Duration, latency: Duration, used: bool) {
        let expected = base + self.bounds.noise;
        let ratio = if latency <= expected {
            1.0
        } else {
            expected.as_secs_f64() / latency.as_secs_f64()
        };
        let queue = self.allowed * (1.0 - ratio);
        let (few, many) = (
            (self.allowed / 12.0).max(0.75),
            (self.allowed / 6.0).max(1.5),
        );
        if queue > many {
            // Halfway to where so many queue as lies between few and many.
            let wanted = self.allowed * ratio + f64::midpoint(few, many);
            self.set(f64::midpoint(self.allowed, wanted.min(self.allowed)));
        } else if queue < few && used {
            // What is never reached was never tried.
            self.set(self.allowed + (self.allowed / 20.0).max(1.0));
        }
    }

    fn set(&mut self, limit: f64) {
        self.allowed = limit.clamp(float(self.bounds.least), float(self.bounds.most));
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
fn float(limit: usize) -> f64 {
    limit as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit is positive and clamped"
)]
fn whole(limit: f64) -> usize {
    limit as usize
}
