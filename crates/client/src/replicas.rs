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

use crate::{
    affinity,
    counts::EjectionCounts,
    discovery::{self, Known},
};

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

/// The replicas that there are, and the sides that they are on.
#[derive(Debug, Default)]
struct Table {
    /// What was discovered when it was made.
    discovered: Arc<[Known]>,
    replicas: Vec<(Known, Arc<Replica>)>,
    /// Each track, with what its replicas weigh together.
    sides: Vec<(Arc<str>, f64)>,
}

impl Table {
    /// Follows discovery; replicas that stay keep what we know of them.
    fn follow(&mut self, discovered: &Arc<[Known]>) {
        let before = std::mem::take(self);
        self.discovered = Arc::clone(discovered);
        for known in discovered.iter() {
            let address = known.address;
            let same = before.replicas.iter().find(|it| it.0.address == address);
            let replica = same.map_or_else(|| Replica::new(address), |it| Arc::clone(&it.1));
            match self.sides.iter_mut().find(|it| it.0 == known.track) {
                Some(side) => side.1 += known.weight,
                None => self.sides.push((Arc::clone(&known.track), known.weight)),
            }
            self.replicas.push((known.clone(), replica));
        }
    }

    /// Leaves in `live` only those of the side that the call belongs to, if there are any, and else those that weigh anything.
    fn keep_side<'a>(&'a self, live: &mut Vec<&'a (Known, Arc<Replica>)>) {
        if self.sides.len() < 2 {
            return;
        }
        let side = resilience::side(&self.sides, affinity::key());
        let track = side.map(|it| &self.sides[it].0);
        let on_side = |it: &Known| Some(&it.track) == track;
        if live.iter().any(|it| on_side(&it.0)) {
            live.retain(|it| on_side(&it.0));
        } else if live.iter().any(|it| it.0.weight > 0.0) {
            live.retain(|it| it.0.weight > 0.0);
        }
    }
}

/// The replicas of one upstream.
#[derive(Debug)]
pub(crate) struct Balancer {
    name: &'static str,
    discovered: discovery::Replicas,
    table: Mutex<Table>,
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
            table: Mutex::default(),
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
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut table);
        let replicas = &table.replicas;
        let now = Instant::now();
        let admits = |it: &SocketAddr| {
            let outliers = self.outliers.as_ref();
            outliers.is_none_or(|outliers| outliers.admits(it, now.into_std()))
        };
        let live = |it: &&(Known, Arc<Replica>)| !it.1.refuses(now) && admits(&it.0.address);
        let mut live: Vec<_> = replicas.iter().filter(live).collect();
        let ejected = replicas.len() - live.len();
        let ejected = i64::try_from(ejected).unwrap_or(i64::MAX);
        self.counts.ejected.set(ejected);
        if live.is_empty() {
            live = replicas.iter().collect();
        }
        if live.len() > 1 {
            live.retain(|it| Some(it.0.address) != not);
        }
        table.keep_side(&mut live);
        let load = |it: &&(Known, Arc<Replica>)| it.1.in_flight.load(Ordering::Relaxed);
        let loads: Vec<_> = live.iter().map(load).collect();
        let chosen = resilience::pick(&loads, |count| fastrand::usize(..count))?;
        Some(Place::take(&live[chosen].1))
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

    fn refresh(&self, table: &mut Table) {
        let discovered = self.discovered.known();
        if Arc::ptr_eq(&table.discovered, &discovered) {
            return;
        }
        table.follow(&discovered);
        if let Some(outliers) = &self.outliers {
            outliers.follow(discovered.iter().map(|it| it.address));
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
        sender.send_replace(Arc::from([at(3).into()]));
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
        sender.send_replace(Arc::from([at(2).into()]));
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

    /// Nine replicas that serve, and a canary that gets a tenth.
    fn with_canary(weight: f64) -> Vec<Known> {
        let stable = (1..=9).map(|it| at(it).into());
        let canary = Known {
            track: "canary".into(),
            weight,
            ..at(10).into()
        };
        stable.chain([canary]).collect()
    }

    #[tokio::test]
    async fn a_canary_gets_what_it_weighs_and_always_the_same_callers() {
        let (sender, replicas) = discovery::by_hand(&[]);
        let balancer = Balancer::new(replicas, None, "test");
        let asked_for = async |who: u32| {
            let place = crate::on_behalf_of(&who.to_be_bytes(), async { balancer.pick(None) });
            place.await.unwrap().address() == at(10)
        };
        let mut chosen = Vec::new();
        for weight in [1.0, 1.0, 3.0, 0.0] {
            sender.send_replace(with_canary(weight).into());
            let mut canaries = Vec::new();
            for who in 0..2000 {
                canaries.push(asked_for(who).await);
            }
            chosen.push(canaries);
        }
        let counts: Vec<_> = chosen
            .iter()
            .map(|it| it.iter().filter(|it| **it).count())
            .collect();
        // Five standard deviations of a binomial around 200 and 500 of 2,000.
        assert!(
            counts[0].abs_diff(200) < 70 && counts[2].abs_diff(500) < 100,
            "{counts:?}"
        );
        assert_eq!(chosen[0], chosen[1], "the same callers");
        let left = chosen[0]
            .iter()
            .zip(&chosen[2])
            .filter(|(before, after)| **before && !**after);
        assert_eq!(left.count(), 0, "more weight takes nobody away");
        assert_eq!(counts[3], 0);
    }

    #[tokio::test]
    async fn who_calls_on_nobodys_behalf_goes_by_weight_too_and_a_retry_leaves_the_canary() {
        let (sender, replicas) = discovery::by_hand(&[]);
        let balancer = Balancer::new(replicas, None, "test");
        sender.send_replace(with_canary(1.0).into());
        let picks = |not| {
            let canary = (0..2000).filter(|_| balancer.pick(not).unwrap().address() == at(10));
            canary.count()
        };
        assert!(picks(None).abs_diff(200) < 70);
        assert_eq!(picks(Some(at(10))), 0);
    }

    #[test]
    fn without_ejection_all_are_asked() {
        let (_sender, replicas) = discovery::by_hand(&[at(1), at(2), at(3)]);
        let balancer = Balancer::new(replicas, None, "test");
        calls_to_a_bad_one(&balancer);
        assert!(calls_to_a_bad_one(&balancer) > 5);
    }
}
