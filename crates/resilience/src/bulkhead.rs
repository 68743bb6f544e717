//! A bulkhead: only so many calls are under way to one place, and only so many wait for a place, and not for long.
//!
//! A slow dependency then holds a few of its caller's resources and not all of them (Nygard, "Release It!", 2007). Who waits is a value of
//! the caller's choosing, a channel's sender say, which is handed back when its turn comes: so nothing here needs to sleep or wake.
//!
//! Weighed: tower's `ConcurrencyLimit` waits without a bound, and with `LoadShed` before it not at all; tokio's `Semaphore` counts, but
//! knows neither who waits for how long nor how many may.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How many calls there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Under way.
    pub in_flight: usize,
    /// Waiting.
    pub waiting: usize,
    /// For how long one waits.
    pub patience: Duration,
}

/// Whether a call may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It may.
    Entered,
    /// It waits, under this number.
    Waits(u64),
    /// There is no room even to wait.
    Refused,
}

/// The places, and who waits for one.
///
/// ```
/// use std::{sync::mpsc, time::{Duration, Instant}};
///
/// use resilience::{Bulkhead, Entry, Room};
///
/// let room = Room { in_flight: 1, waiting: 1, patience: Duration::from_millis(100) };
/// let (mut bulkhead, now) = (Bulkhead::new(room), Instant::now());
/// let (turn, waiting) = mpsc::channel();
/// assert_eq!(bulkhead.enter(now, || turn.clone()), Entry::Entered);
/// assert_eq!(bulkhead.enter(now, || turn.clone()), Entry::Waits(0));
/// assert_eq!(bulkhead.enter(now, || turn.clone()), Entry::Refused);
/// if let Some(next) = bulkhead.leave(now) {
///     next.send(()).unwrap(); // its turn has come
/// }
/// assert!(waiting.try_recv().is_ok());
/// ```
#[derive(Debug)]
pub struct Bulkhead<W> {
    room: Room,
    in_flight: usize,
    waiting: VecDeque<Waiting<W>>,
    next: u64,
}

#[derive(Debug)]
struct Waiting<W> {
    number: u64,
    until: Instant,
    who: W,
}

impl<W> Bulkhead<W> {
    /// An empty one.
    pub fn new(room: Room) -> Self {
        Self {
            room,
            in_flight: 0,
            waiting: VecDeque::new(),
            next: 0,
        }
    }

    /// A call would begin: it takes a place, or `who` waits for one behind the others.
    pub fn enter(&mut self, now: Instant, who: impl FnOnce() -> W) -> Entry {
        self.waiting.retain(|it| now < it.until);
        if self.in_flight < self.room.in_flight && self.waiting.is_empty() {
            self.in_flight += 1;
            return Entry::Entered;
        }
        if self.waiting.len() >= self.room.waiting {
            return Entry::Refused;
        }
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(Waiting {
            number,
            until: now + self.room.patience,
            who: who(),
        });
        Entry::Waits(number)
    }

    /// A call has ended: its place goes to the first who still waits, who is handed back, or becomes free.
    pub fn leave(&mut self, now: Instant) -> Option<W> {
        while let Some(first) = self.waiting.pop_front() {
            if now < first.until {
                return Some(first.who);
            }
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        None
    }

    /// Somebody waits no longer. If this is false, they did not any more: they had been handed a place, which they must leave, or
    /// their time was over.
    pub fn give_up(&mut self, number: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|it| it.number != number);
        self.waiting.len() < before
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        in_flight: 2,
        waiting: 1,
        patience: Duration::from_millis(100),
    };

    #[test]
    fn places_are_handed_on_in_turn() {
        let (mut bulkhead, now) = (Bulkhead::new(ROOM), Instant::now());
        let mut enter = |who| bulkhead.enter(now, || who);
        let entries = ["a", "b", "c", "d"].map(&mut enter);
        assert_eq!(
            entries,
            [
                Entry::Entered,
                Entry::Entered,
                Entry::Waits(0),
                Entry::Refused
            ]
        );
        assert_eq!(bulkhead.leave(now), Some("c"));
        assert_eq!((bulkhead.in_flight(), bulkhead.waiting()), (2, 0));
        assert_eq!((bulkhead.leave(now), bulkhead.leave(now)), (None, None));
        assert_eq!(bulkhead.in_flight(), 0);
    }

    #[test]
    fn who_has_waited_too_long_is_passed_over() {
        let (mut bulkhead, now) = (Bulkhead::new(ROOM), Instant::now());
        for who in ["a", "b", "c"] {
            bulkhead.enter(now, || who);
        }
        let later = now + ROOM.patience;
        assert_eq!(
            bulkhead.enter(later, || "d"),
            Entry::Waits(1),
            "its turn to wait came"
        );
        assert_eq!(bulkhead.leave(later), Some("d"));
        assert!(!bulkhead.give_up(0) && !bulkhead.give_up(1));
    }
}
