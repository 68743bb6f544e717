//! The places of an upstream's bulkhead, waited for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use resilience::{Bulkhead, Entry, Room};
use tokio::{sync::oneshot, time::Instant};

use crate::counts::Calls;

type Turn = oneshot::Sender<()>;

/// Calls to one upstream at once, and those that wait to be.
#[derive(Debug)]
pub(crate) struct Places {
    /// None where nothing limits them.
    limited: Option<Limited>,
    calls: Calls,
}

#[derive(Debug)]
struct Limited {
    room: Room,
    bulkhead: Mutex<Bulkhead<Turn>>,
}

/// A call's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat<'a>(&'a Places);

/// Somebody who waits for a place. Dropped before its turn, it leaves no hole behind.
struct Waiting<'a> {
    places: &'a Places,
    limited: &'a Limited,
    number: u64,
    turn: oneshot::Receiver<()>,
    _counted: Counted<'a>,
}

/// Counts in a gauge for as long as it lives.
struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Places {
    /// So many as there is room for; any number, if that is none.
    pub(crate) fn new(room: Option<Room>, calls: Calls) -> Self {
        let limited = room.map(|room| Limited {
            room,
            bulkhead: Mutex::new(Bulkhead::new(room)),
        });
        Self { limited, calls }
    }

    /// A place, at once or in turn; none where there is no room even to wait, or where the turn does not come in time.
    pub(crate) async fn enter(&self, deadline: Instant) -> Option<Seat<'_>> {
        let Some(limited) = &self.limited else {
            return Some(self.seat());
        };
        let now = Instant::now();
        let mut turn = None;
        let entry = limited.lock().enter(now.into_std(), || {
            let (tell, told) = oneshot::channel();
            turn = Some(told);
            tell
        });
        match (entry, turn) {
            (Entry::Entered, _) => Some(self.seat()),
            (Entry::Waits(number), Some(turn)) => {
                let waiting = Waiting {
                    places: self,
                    limited,
                    number,
                    turn,
                    _counted: Counted::new(&self.calls.waiting),
                };
                waiting
                    .wait(deadline.min(now + limited.room.patience))
                    .await
            }
            _ => None,
        }
    }

    fn seat(&self) -> Seat<'_> {
        self.calls.in_flight.inc();
        Seat(self)
    }
}

impl Limited {
    fn lock(&self) -> MutexGuard<'_, Bulkhead<Turn>> {
        self.bulkhead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a place to whoever is next. Whoever waits is told under the lock, so that it has either been told or is not in the queue.
fn hand_on(mut bulkhead: MutexGuard<'_, Bulkhead<Turn>>) {
    while let Some(next) = bulkhead.leave(Instant::now().into_std()) {
        if next.send(()).is_ok() {
            return;
        }
    }
}

impl<'a> Waiting<'a> {
    async fn wait(mut self, until: Instant) -> Option<Seat<'a>> {
        let told = tokio::time::timeout_at(until, &mut self.turn).await;
        matches!(told, Ok(Ok(()))).then(|| self.places.seat())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut bulkhead = self.limited.lock();
        // Told, and nobody has heard it: the place is for the next.
        if !bulkhead.give_up(self.number) && self.turn.try_recv().is_ok() {
            hand_on(bulkhead);
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.calls.in_flight.dec();
        if let Some(limited) = &self.0.limited {
            hand_on(limited.lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

    use super::*;

    /// Gauges are of the whole process: each test has its own.
    fn places(test: &'static str, in_flight: usize, waiting: usize) -> Places {
        let room = Room {
            in_flight,
            waiting,
            patience: Duration::from_millis(100),
        };
        Places::new(Some(room), Calls::of(test))
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// Lets it run until it waits.
    async fn begin<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        poll_fn(|context| {
            Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                Poll::Ready(it) => Some(it),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_no_room_is_refused_at_once_and_whoever_waits_in_time() {
        let places = places("test 1", 1, 1);
        let seat = places.enter(later()).await.expect("a place");
        let mut waits = pin!(places.enter(later()));
        assert!(begin(&mut waits).await.is_none(), "it waits");
        let began = Instant::now();
        assert!(places.enter(later()).await.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(waits.await.is_none());
        assert_eq!(began.elapsed(), Duration::from_millis(100));
        drop(seat);
        assert!(places.enter(later()).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_goes_to_the_next_and_no_one_waits_past_its_deadline() {
        let places = places("test 2", 1, 2);
        let seat = places.enter(later()).await.expect("a place");
        let soon = Instant::now() + Duration::from_millis(10);
        let (mut hurried, mut patient) = (pin!(places.enter(soon)), pin!(places.enter(later())));
        assert!(begin(&mut hurried).await.is_none() && begin(&mut patient).await.is_none());
        let began = Instant::now();
        assert!(hurried.await.is_none());
        assert_eq!(began.elapsed(), Duration::from_millis(10));
        drop(seat);
        assert!(patient.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_away_while_waiting_or_when_told_leaves_the_place_to_the_next() {
        let places = places("test 3", 1, 2);
        for told_first in [false, true] {
            let seat = places.enter(later()).await.expect("a place");
            let mut gone = Box::pin(places.enter(later()));
            assert!(begin(&mut gone).await.is_none());
            let mut next = pin!(places.enter(later()));
            assert!(begin(&mut next).await.is_none());
            if told_first {
                drop(seat);
                drop(gone);
            } else {
                drop(gone);
                drop(seat);
            }
            let seat = next.await.expect("its turn");
            assert!(places.calls.in_flight.get() == 1 && places.calls.waiting.get() == 0);
            drop(seat);
            assert_eq!(places.calls.in_flight.get(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_never_more_than_there_are_however_callers_come_and_go() {
        let places = places("test 4", 3, 4);
        let mut held = Vec::new();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let mut call = Box::pin(places.enter(later()));
            match begin(&mut call).await {
                Some(Some(seat)) => held.push(seat),
                Some(None) => {}
                None if random.bool() => {
                    // It is told while somebody leaves, or goes away.
                    if random.bool() && !held.is_empty() {
                        held.swap_remove(random.usize(..held.len()));
                    }
                    drop(call);
                }
                None => held.extend(call.await),
            }
            assert!(held.len() <= 3);
            if random.usize(..3) == 0 && !held.is_empty() {
                held.swap_remove(random.usize(..held.len()));
            }
        }
        held.clear();
        for _ in 0..3 {
            held.extend(places.enter(later()).await);
        }
        assert_eq!(held.len(), 3, "none was lost");
        assert_eq!(places.calls.in_flight.get(), 3);
    }
}
