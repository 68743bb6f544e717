//! Which replica takes the next request: the less loaded of two chosen at random, among those that accepted the last connection
//! and do no worse than the others.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::uri::Authority;
use resilience::{Call, Criteria, Outliers};
use tokio::time::Instant;

use crate::{counts::EjectionCounts, discovery};

/// A replica that refused a connection is left alone for so long, unless all have.
const REFUSAL: Duration = Duration::from_secs(1);

/// One replica and what we know of it.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    /// The same as a request names it.
    authority: Authority,
    in_flight: AtomicUsize,
    refused_until: Mutex<Option<Instant>>,
}

impl Replica {
    fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            authority: authority(address),
            in_flight: AtomicUsize::new(0),
            refused_until: Mutex::new(None),
        })
    }

    fn refuses(&self, now: Instant) -> bool {
        let until = self.refused_until.lock();
        let until = until.unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|it| now < it)
    }

    /// Leaves it alone for a while; whether it was not already.
    fn refused(&self, now: Instant) -> bool {
        let until = self.refused_until.lock();
        let mut until = until.unwrap_or_else(PoisonError::into_inner);
        let before = until.replace(now + REFUSAL);
        before.is_none_or(|it| it <= now)
    }
}

fn authority(address: SocketAddr) -> Authority {
    // The text of an address is an authority (RFC 3986, 3.2.2), but for the zone of an IPv6 address, which is ours alone (RFC 6874).
    let text = match address {
        SocketAddr::V4(it) => it.to_string(),
        SocketAddr::V6(it) => format!("[{}]:{}", it.ip(), it.port()),
    };
    text.parse().expect("an address is an authority")
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

    pub(crate) fn authority(&self) -> Authority {
        self.0.authority.clone()
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
    name: &'static str,
    discovered: discovery::Replicas,
    replicas: Mutex<Vec<Arc<Replica>>>,
    /// How the replicas fare; none where nobody asks.
    outliers: Option<Outliers<SocketAddr>>,
    counts: EjectionCounts,
}

impl Balancer {
    /// Spreads requests over the replicas of the upstream called `name`. Those that failed or were slow by more than the others, `within`
    /// the time that calls count, are left out for a while, at most half of them; none are, where that is none.
    pub(crate) fn new(
        discovered: discovery::Replicas,
        within: Option<Duration>,
        name: &'static str,
    ) -> Self {
        Self {
            name,
            discovered,
            replicas: Mutex::new(Vec::new()),
            outliers: within.map(|within| {
                Outliers::new(Criteria {
                    within,
                    ..Criteria::default()
                })
            }),
            counts: EjectionCounts::of(name),
        }
    }

    /// Whether any replica is known.
    pub(crate) fn any(&self) -> bool {
        !self.discovered.known().is_empty()
    }

    /// A place at a replica, another one than `not` if there is one; none where no replica is known.
    pub(crate) fn pick(&self, not: Option<SocketAddr>) -> Option<Place> {
        let mut replicas = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut replicas);
        let now = Instant::now();
        let admits = |it: &SocketAddr| {
            let outliers = self.outliers.as_ref();
            outliers.is_none_or(|outliers| outliers.admits(it, now.into_std()))
        };
        let live = |it: &&Arc<Replica>| !it.refuses(now) && admits(&it.address);
        let mut live: Vec<_> = replicas.iter().filter(live).collect();
        let ejected = replicas.len() - live.len();
        let ejected = i64::try_from(ejected).unwrap_or(i64::MAX);
        self.counts.ejected.set(ejected);
        if live.is_empty() {
            live = replicas.iter().collect();
        }
        if live.len() > 1 {
            live.retain(|it| Some(it.address) != not);
        }
        let load = |it: &&Arc<Replica>| it.in_flight.load(Ordering::Relaxed);
        let loads: Vec<_> = live.iter().map(load).collect();
        let chosen = resilience::pick(&loads, |count| fastrand::usize(..count))?;
        Some(Place::take(live[chosen]))
    }

    /// The replica at `place` refused a connection: it is spared for a while, and may not even be one any more.
    pub(crate) fn refused(&self, place: &Place) {
        if place.0.refused(Instant::now()) {
            self.counts.refused.inc();
            self.tell(place, "refused");
        }
        self.discovered.doubt();
    }

    /// How a call to the replica at `place` fared.
    pub(crate) fn record(&self, place: &Place, call: Call, latency: Duration) {
        let Some(outliers) = &self.outliers else {
            return;
        };
        let now = Instant::now().into_std();
        if let Some(reason) = outliers.record(&place.address(), call, latency, now) {
            self.tell(place, self.counts.count(reason));
        }
    }

    fn tell(&self, place: &Place, reason: &str) {
        let replica = place.address().to_string();
        tracing::warn!(service = self.name, replica, reason, "replica ejected");
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
        if let Some(outliers) = &self.outliers {
            outliers.follow(discovered.iter().copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[tokio::test(start_paused = true)]
    async fn the_less_loaded_is_chosen_and_the_refusing_is_spared() {
        let (sender, replicas) = discovery::by_hand(&[at(1), at(2)]);
        let balancer = Balancer::new(replicas, Some(WITHIN), "test");
        let held = balancer.pick(None).unwrap();
        for _ in 0..100 {
            assert_ne!(balancer.pick(None).unwrap().address(), held.address());
        }
        let free = balancer.pick(None).unwrap();
        balancer.refused(&free);
        for _ in 0..100 {
            assert_eq!(balancer.pick(None).unwrap().address(), held.address());
        }
        balancer.refused(&held);
        assert!(
            balancer.pick(None).is_some(),
            "with all ejected, any is better than none"
        );
        sender.send_replace(Arc::from([at(3)]));
        assert_eq!(balancer.pick(None).unwrap().address(), at(3));
        sender.send_replace(Arc::from([]));
        assert!(balancer.pick(None).is_none());
    }

    #[test]
    fn a_retry_goes_elsewhere_if_there_is_an_elsewhere() {
        let (sender, replicas) = discovery::by_hand(&[at(1), at(2), at(3)]);
        let balancer = Balancer::new(replicas, Some(WITHIN), "test");
        for _ in 0..100 {
            assert_ne!(balancer.pick(Some(at(2))).unwrap().address(), at(2));
        }
        sender.send_replace(Arc::from([at(2)]));
        assert_eq!(balancer.pick(Some(at(2))).unwrap().address(), at(2));
    }

    /// Sixty calls, of which those to the first replica fail; how many went there.
    fn calls_to_a_bad_one(balancer: &Balancer) -> usize {
        let calls = (0..60).map(|_| {
            let place = balancer.pick(None).unwrap();
            let bad = place.address() == at(1);
            let call = if bad { Call::Failed } else { Call::Succeeded };
            balancer.record(&place, call, Duration::from_millis(5));
            usize::from(bad)
        });
        calls.sum()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_alone_is_left_out_and_tried_again_later() {
        let (_sender, replicas) = discovery::by_hand(&[at(1), at(2), at(3)]);
        let balancer = Balancer::new(replicas, Some(WITHIN), "a test of ejection");
        calls_to_a_bad_one(&balancer);
        assert_eq!(calls_to_a_bad_one(&balancer), 0);
        assert_eq!(balancer.counts.failing.get(), 1);
        assert_eq!(balancer.counts.ejected.get(), 1);
        tokio::time::advance(Criteria::default().left_out).await;
        let again = calls_to_a_bad_one(&balancer);
        let on_return = Criteria::default().on_return as usize;
        assert_eq!(again, on_return, "a few calls decide");
    }

    #[test]
    fn without_ejection_all_are_asked() {
        let (_sender, replicas) = discovery::by_hand(&[at(1), at(2), at(3)]);
        let balancer = Balancer::new(replicas, None, "test");
        calls_to_a_bad_one(&balancer);
        assert!(calls_to_a_bad_one(&balancer) > 5);
    }
}
