//! Those who wait to begin, by what they are worth.

use std::collections::VecDeque;

use tokio::{
    sync::oneshot,
    time::{Duration, Instant},
};

use super::{Class, signals};

/// Everybody who waits.
pub(super) struct Queues {
    by_class: [Queue; Class::ALL.len()],
    /// The number of the next.
    next: u64,
}

/// Those of one class, the first of them first.
struct Queue {
    waiting: VecDeque<Waiter>,
    /// When it was last empty.
    empty: Instant,
    /// When one of these was last refused because there was no room.
    refused: Option<Instant>,
}

struct Waiter {
    number: u64,
    /// Dropped, it tells that somebody more important took the room to wait.
    turn: oneshot::Sender<()>,
}

impl Queues {
    pub(super) fn new(now: Instant) -> Self {
        let queue = |_| Queue {
            waiting: VecDeque::new(),
            empty: now,
            refused: None,
        };
        Self {
            by_class: Class::ALL.map(queue),
            next: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_class.iter().map(|it| it.waiting.len()).sum()
    }

    /// Whether anybody of `class` waits.
    pub(super) fn any(&self, class: Class) -> bool {
        !self.by_class[class.index()].waiting.is_empty()
    }

    /// Whether anybody waits who is at least as important as `class`.
    pub(super) fn any_before(&self, class: Class) -> bool {
        let before = &self.by_class[..=class.index()];
        before.iter().any(|it| !it.waiting.is_empty())
    }

    /// Whether there are more of `class` than there is room for: for longer than `patience` there has always been one who waited, or
    /// one was refused since. Else, whenever those who wait for a tenth of it have all gone for a moment, the next would wait for
    /// all of it, and in steady overload half of those who are refused would.
    pub(super) fn standing(&self, class: Class, now: Instant, patience: Duration) -> bool {
        let queue = &self.by_class[class.index()];
        let stands = self.any(class) && now.saturating_duration_since(queue.empty) > patience;
        let refused = |at| now.saturating_duration_since(at) < patience;
        stands || queue.refused.is_some_and(refused)
    }

    /// One of `class` was refused because there was no room.
    pub(super) fn refused(&mut self, class: Class, now: Instant) {
        self.by_class[class.index()].refused = Some(now);
    }

    /// One more waits, and is told by the receiver when its turn has come. The number is that to [`remove`](Self::remove) it by.
    pub(super) fn push(&mut self, class: Class, now: Instant) -> (u64, oneshot::Receiver<()>) {
        let number = self.next;
        self.next += 1;
        let (turn, waits) = oneshot::channel();
        let queue = &mut self.by_class[class.index()];
        queue.seen(now);
        queue.waiting.push_back(Waiter { number, turn });
        signals::waiting(self.len());
        (number, waits)
    }

    /// Refuses the last who came of the least important who wait, if they are less important than `class`.
    pub(super) fn evict_below(&mut self, class: Class, now: Instant) -> bool {
        let mut below = self.by_class[class.index() + 1..].iter_mut().rev();
        let Some(queue) = below.find(|it| !it.waiting.is_empty()) else {
            return false;
        };
        queue.waiting.pop_back();
        queue.seen(now);
        true
    }

    /// Tells the first of `class` that its turn has come; whether there was anybody to tell.
    pub(super) fn call_first(&mut self, class: Class, now: Instant) -> bool {
        let queue = &mut self.by_class[class.index()];
        let mut called = false;
        while let Some(first) = queue.waiting.pop_front() {
            called = first.turn.send(()).is_ok();
            if called {
                break;
            }
        }
        queue.seen(now);
        signals::waiting(self.len());
        called
    }

    /// Somebody waits no longer; whether they still did.
    pub(super) fn remove(&mut self, class: Class, number: u64, now: Instant) -> bool {
        let queue = &mut self.by_class[class.index()];
        let before = queue.waiting.len();
        queue.waiting.retain(|it| it.number != number);
        let waited = queue.waiting.len() < before;
        queue.seen(now);
        signals::waiting(self.len());
        waited
    }
}

impl Queue {
    fn seen(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            self.empty = now;
        }
    }
}
