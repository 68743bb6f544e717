//! Which replica takes the next request: the less loaded of two chosen at random (Mitzenmacher, "The Power of Two Choices
//! in Randomized Load Balancing", 2001), among those that accepted the last connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::discovery;

/// A replica that refused a connection is left alone for so long, unless all have.
const EJECTION: Duration = Duration::from_secs(1);

/// One replica and what we know of it.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    in_flight: AtomicUsize,
    ejected_until: Mutex<Option<Instant>>,
}

impl Replica {
    fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            in_flight: AtomicUsize::new(0),
            ejected_until: Mutex::new(None),
        })
    }

    fn ejected(&self, now: Instant) -> bool {
        let until = self
            .ejected_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|it| now < it)
    }
}

/// A request's place at a replica, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Replica>);

impl Place {
    fn take(replica: &Arc<Replica>) -> Self {
        replica.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(replica))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    fn eject(&self) {
        let mut until = self
            .0
            .ejected_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + EJECTION);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The replicas of one upstream.
#[derive(Debug)]
pub(crate) struct Balancer {
    discovered: discovery::Replicas,
    replicas: Mutex<Vec<Arc<Replica>>>,
}

impl Balancer {
    pub(crate) fn new(discovered: discovery::Replicas) -> Self {
        Self {
            discovered,
            replicas: Mutex::new(Vec::new()),
        }
    }

    /// Whether any replica is known.
    pub(crate) fn any(&self) -> bool {
        !self.discovered.known().is_empty()
    }

    /// A place at a replica; none where none is known.
    pub(crate) fn pick(&self) -> Option<Place> {
        let mut replicas = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut replicas);
        let now = Instant::now();
        let mut live: Vec<_> = replicas.iter().filter(|it| !it.ejected(now)).collect();
        if live.is_empty() {
            live = replicas.iter().collect();
        }
        choose_two(live.len()).map(|(first, second)| {
            let load = |index: usize| live[index].in_flight.load(Ordering::Relaxed);
            Place::take(
                live[if load(second) < load(first) {
                    second
                } else {
                    first
                }],
            )
        })
    }

    /// The replica at `place` refused a connection: it is spared for a while, and may not even be one any more.
    pub(crate) fn refused(&self, place: &Place) {
        place.eject();
        self.discovered.doubt();
    }

    /// Follows discovery; replicas that stay keep what we know of them.
    fn refresh(&self, replicas: &mut Vec<Arc<Replica>>) {
        let discovered = self.discovered.known();
        if replicas
            .iter()
            .map(|it| it.address)
            .eq(discovered.iter().copied())
        {
            return;
        }
        let known = std::mem::take(replicas);
        replicas.extend(discovered.iter().map(|address| {
            let same = known.iter().find(|it| it.address == *address);
            same.map_or_else(|| Replica::new(*address), Arc::clone)
        }));
    }
}

/// Two different indices below `count`, or twice the only one.
fn choose_two(count: usize) -> Option<(usize, usize)> {
    match count {
        0 => None,
        1 => Some((0, 0)),
        _ => {
            let first = fastrand::usize(..count);
            let second = fastrand::usize(..count - 1);
            Some((first, second + usize::from(second >= first)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[tokio::test(start_paused = true)]
    async fn the_less_loaded_is_chosen_and_the_refusing_is_spared() {
        let (sender, replicas) = discovery::by_hand(&[at(1), at(2)]);
        let balancer = Balancer::new(replicas);
        let held = balancer.pick().unwrap();
        for _ in 0..100 {
            assert_ne!(balancer.pick().unwrap().address(), held.address());
        }
        let free = balancer.pick().unwrap();
        balancer.refused(&free);
        for _ in 0..100 {
            assert_eq!(balancer.pick().unwrap().address(), held.address());
        }
        balancer.refused(&held);
        assert!(
            balancer.pick().is_some(),
            "with all ejected, any is better than none"
        );
        sender.send_replace(Arc::from([at(3)]));
        assert_eq!(balancer.pick().unwrap().address(), at(3));
        sender.send_replace(Arc::from([]));
        assert!(balancer.pick().is_none());
    }

    #[test]
    fn two_choices_differ() {
        for _ in 0..1_000 {
            let (first, second) = choose_two(3).unwrap();
            assert!(first != second && first < 3 && second < 3);
        }
    }
}
