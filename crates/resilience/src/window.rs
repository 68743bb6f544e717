//! What happened lately: a ring of slots, of which those that are too old are forgotten.

use std::time::{Duration, Instant};

/// Into how many slots the time is cut: what is forgotten is at most a tenth too old.
const SLOTS: u64 = 10;

/// Something counted over the last so many seconds.
#[derive(Debug)]
pub(crate) struct Window<T> {
    /// The length of one slot.
    slot: Duration,
    /// The time of the first count.
    origin: Option<Instant>,
    /// The number of each slot since the origin, and what was counted in it, oldest first.
    slots: Vec<(u64, T)>,
}

impl<T: Default> Window<T> {
    pub(crate) fn new(within: Duration) -> Self {
        let slot = within / 10;
        Self {
            slot: slot.max(Duration::from_nanos(1)),
            origin: None,
            slots: Vec::new(),
        }
    }

    /// The slot of now. A time before one that was already seen belongs to the latest.
    pub(crate) fn at(&mut self, now: Instant) -> &mut T {
        let number = self.number(now);
        self.slots.retain(|(it, _)| it + SLOTS > number);
        if self.slots.last().is_none_or(|(it, _)| *it < number) {
            self.slots.push((number, T::default()));
        }
        let last = self.slots.len() - 1;
        &mut self.slots[last].1
    }

    /// What is not too old.
    pub(crate) fn slots(&self, now: Instant) -> impl Iterator<Item = &T> {
        let number = self.origin.map_or(0, |origin| self.since(origin, now));
        let recent = self.slots.iter().filter(move |(it, _)| it + SLOTS > number);
        recent.map(|(_, count)| count)
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }

    fn number(&mut self, now: Instant) -> u64 {
        let origin = *self.origin.get_or_insert(now);
        self.since(origin, now)
    }

    fn since(&self, origin: Instant, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(origin).as_nanos();
        u64::try_from(elapsed / self.slot.as_nanos()).unwrap_or(u64::MAX - SLOTS)
    }
}
