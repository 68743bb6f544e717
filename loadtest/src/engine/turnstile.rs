//! Where idle users wait for arrivals. An arrival is handed to one of them at once or not at all; none waits in a queue.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::oneshot;

use super::arrivals::Arrival;

/// An arrival and the moment it was due.
type Ticket = (Arrival, Instant);

/// The idle users; the one that came last goes first.
pub(super) struct Turnstile(Mutex<Option<Vec<oneshot::Sender<Ticket>>>>);

impl Turnstile {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    /// Waits for an arrival; `None` when no more will come.
    pub(super) async fn wait(&self) -> Option<Ticket> {
        let (sender, receiver) = oneshot::channel();
        self.lock().as_mut()?.push(sender);
        receiver.await.ok()
    }

    /// Hands an arrival to an idle user and says whether there was one.
    pub(super) fn admit(&self, mut ticket: Ticket) -> bool {
        let mut idle = self.lock();
        while let Some(user) = idle.as_mut().and_then(Vec::pop) {
            match user.send(ticket) {
                Ok(()) => return true,
                // That user was stopped while it waited.
                Err(back) => ticket = back,
            }
        }
        false
    }

    /// How many users wait.
    pub(super) fn idle(&self) -> usize {
        self.lock().as_ref().map_or(0, Vec::len)
    }

    /// No more arrivals: everyone who waits is told.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<oneshot::Sender<Ticket>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    fn ticket(number: u64) -> Ticket {
        let arrival = Arrival {
            number,
            phase: 0,
            due: Duration::ZERO,
        };
        (arrival, Instant::now())
    }

    #[tokio::test]
    async fn an_arrival_goes_to_one_idle_user_or_to_none() {
        let gate = Arc::new(Turnstile::new());
        assert!(!gate.admit(ticket(0)), "nobody waits");
        let users: Vec<_> = (0..2)
            .map(|_| {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move { gate.wait().await })
            })
            .collect();
        while gate.idle() < 2 {
            tokio::task::yield_now().await;
        }
        users[1].abort();
        while !users[1].is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(gate.admit(ticket(1)), "the stopped user is passed over");
        assert!(!gate.admit(ticket(2)));
        gate.close();
        assert!(gate.wait().await.is_none());
        for user in users {
            if let Ok(got) = user.await {
                assert_eq!(got.map(|it| it.0.number), Some(1));
            }
        }
    }
}
