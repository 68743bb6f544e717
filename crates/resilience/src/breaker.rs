//! A circuit breaker: who fails too often is left alone for a while (Nygard, "Release It!", 2007).
//!
//! Weighed: `failsafe` 1.3 (last release 2024; an exponential mean of successes or failures in a row, its own clock, one probe) and
//! tower, which has none. Neither has a share of a minimum number of calls, nor slow calls, as Resilience4j has.

#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::window::Window;

/// When a breaker opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What opens it.
    pub opens: Opens,
    /// A call that takes so long counts as failed even if it succeeds.
    pub slow: Duration,
    /// For how long nobody calls.
    pub left_alone: Duration,
    /// How many calls must then succeed, side by side, for it to close.
    pub probes: u32,
}

/// What opens a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// So many failures in a row: for callers that call too seldom for a share.
    InARow(u32),
    /// A share of the latest calls. With 50 % one bad replica of three does not open it: that one is ejected instead.
    Share {
        /// Percent of the calls that failed.
        percent: u32,
        /// Of fewer calls nothing is concluded.
        of_at_least: u32,
        /// How far back calls count.
        within: Duration,
    },
}

impl Default for Settings {
    /// Half of at least twenty calls in ten seconds; calls of five seconds are slow; left alone for a second; three probes.
    fn default() -> Self {
        Self {
            opens: Opens::Share {
                percent: 50,
                of_at_least: 20,
                within: Duration::from_secs(10),
            },
            slow: Duration::from_secs(5),
            left_alone: Duration::from_secs(1),
            probes: 3,
        }
    }
}

/// Whether calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They are.
    Closed,
    /// They are not.
    Open,
    /// A few are, to see how they fare.
    HalfOpen,
}

/// How a call fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It succeeded; it was slow if it took too long.
    Succeeded,
    /// It failed.
    Failed,
    /// It says nothing about the other side's health: refused for its rate (429), shed, or given up by the caller.
    Ignored,
}

#[derive(Debug)]
struct Memory {
    state: State,
    /// Counts the changes of `state`: a call that began before the last one does not count.
    era: u64,
    /// The end of being left alone.
    until: Option<Instant>,
    in_a_row: u32,
    /// Calls of which the share is taken.
    calls: Window<Tally>,
    /// Probes under way, each with the time until which it is waited for.
    probing: Vec<Instant>,
    probes_succeeded: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    all: u32,
    failed: u32,
}

/// Decides whether a call is made.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    memory: Mutex<Memory>,
}

/// A call that was admitted. Dropped without a word, as when its caller goes away, it counts as [`Call::Ignored`].
#[derive(Debug)]
#[must_use = "how the call fared decides the state"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    began: Instant,
    era: u64,
    /// Until when this probe is waited for, if it is one.
    probe: Option<Instant>,
    finished: bool,
}

impl Breaker {
    /// A closed one.
    pub fn new(settings: Settings) -> Self {
        let within = match settings.opens {
            Opens::InARow(_) => Duration::from_secs(1),
            Opens::Share { within, .. } => within,
        };
        Self {
            settings,
            memory: Mutex::new(Memory {
                state: State::Closed,
                era: 0,
                until: None,
                in_a_row: 0,
                calls: Window::new(within),
                probing: Vec::new(),
                probes_succeeded: 0,
            }),
        }
    }

    /// Admits a call, or none while the other side is left alone. After that a few are admitted as probes. A probe of which nothing is
    /// heard for as long as it is left alone is replaced, so that probing never ends.
    pub fn admit(&self, now: Instant) -> Option<Permit<'_>> {
        let mut memory = self.lock();
        if memory.state == State::Open {
            if memory.until.is_some_and(|until| now < until) {
                return None;
            }
            memory.change(State::HalfOpen);
        }
        let mut probe = None;
        if memory.state == State::HalfOpen {
            memory.probing.retain(|until| now < *until);
            let under_way = u32::try_from(memory.probing.len()).unwrap_or(u32::MAX);
            if under_way + memory.probes_succeeded >= self.settings.probes.max(1) {
                return None;
            }
            let until = now + self.settings.left_alone;
            memory.probing.push(until);
            probe = Some(until);
        }
        Some(Permit {
            breaker: self,
            began: now,
            era: memory.era,
            probe,
            finished: false,
        })
    }

    /// Whether calls are made. An open one stays so until a call asks after its time is over.
    pub fn state(&self) -> State {
        self.lock().state
    }

    /// How long the other side is still left alone: what a `Retry-After` may say.
    pub fn left_alone_for(&self, now: Instant) -> Duration {
        let memory = self.lock();
        let until = memory.until.filter(|_| memory.state == State::Open);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Takes in how a call fared; the new state, if it changed.
    fn record(&self, permit: &Permit<'_>, call: Call, now: Instant) -> Option<State> {
        let slow = now.saturating_duration_since(permit.began) >= self.settings.slow;
        let failed = call == Call::Failed || (call == Call::Succeeded && slow);
        let mut memory = self.lock();
        if permit.era != memory.era {
            return None;
        }
        if let Some(until) = permit.probe {
            // One that was replaced meanwhile still counts.
            if let Some(at) = memory.probing.iter().position(|it| *it == until) {
                memory.probing.swap_remove(at);
            }
        }
        let before = memory.state;
        match (memory.state, call) {
            (_, Call::Ignored) | (State::Open, _) => {}
            (State::HalfOpen, _) if failed => memory.open(now + self.settings.left_alone),
            (State::HalfOpen, _) => {
                memory.probes_succeeded += 1;
                if memory.probes_succeeded >= self.settings.probes.max(1) {
                    memory.change(State::Closed);
                }
            }
            (State::Closed, _) => {
                if memory.count(self.settings.opens, failed, now) {
                    memory.open(now + self.settings.left_alone);
                }
            }
        }
        (memory.state != before).then_some(memory.state)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Counts a call; whether that was too much.
    fn count(&mut self, opens: Opens, failed: bool, now: Instant) -> bool {
        match opens {
            Opens::InARow(most) => {
                self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
                self.in_a_row >= most
            }
            Opens::Share {
                percent,
                of_at_least,
                ..
            } => {
                let tally = self.calls.at(now);
                tally.all += 1;
                tally.failed += u32::from(failed);
                let (all, bad) = self
                    .calls
                    .slots(now)
                    .fold((0_u64, 0_u64), |(all, bad), it| {
                        (all + u64::from(it.all), bad + u64::from(it.failed))
                    });
                failed && all >= u64::from(of_at_least) && bad * 100 >= all * u64::from(percent)
            }
        }
    }

    fn open(&mut self, until: Instant) {
        self.change(State::Open);
        self.until = Some(until);
    }

    /// Begins anew in another state.
    fn change(&mut self, state: State) {
        self.state = state;
        self.era += 1;
        self.until = None;
        self.in_a_row = 0;
        self.calls.clear();
        self.probing.clear();
        self.probes_succeeded = 0;
    }
}

impl Permit<'_> {
    /// Whether this call decides if the breaker closes again.
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// Says how the call fared; the breaker's new state, if it changed.
    pub fn finish(mut self, call: Call, now: Instant) -> Option<State> {
        self.finished = true;
        self.breaker.record(&self, call, now)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing is concluded from it, so it does not matter when it ended.
            self.breaker.record(self, Call::Ignored, self.began);
        }
    }
}
