//! Ejection of outliers: a replica that fails, or is slow, more than its peers is left out for a while.
//!
//! What all replicas have in common is not their fault, so each is compared with the others together, and at most half are left out at
//! once. Who comes back is asked less at first: its record is empty, and a few calls decide (Envoy's outlier detection; Linkerd's failure
//! accrual).
//!
//! Weighed: tower has none. Envoy's success rate by standard deviations needs five hosts and says little of three.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{breaker::Call, window::Window};

/// What makes an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Criteria {
    /// Of fewer calls nothing is concluded,
    pub of_at_least: u32,
    /// but of one that has just come back, of so many.
    pub on_return: u32,
    /// How far back calls count.
    pub within: Duration,
    /// So many percent of its calls fail,
    pub failing: u32,
    /// and so many percentage points more than of its peers'.
    pub more_than_peers: u32,
    /// Or its mean latency is so many times its peers'
    pub slower: u32,
    /// and at least this.
    pub slow: Duration,
    /// For how long it is left out the first time. Each further time in a row adds as much,
    pub left_out: Duration,
    /// up to this.
    pub longest: Duration,
}

impl Default for Criteria {
    /// Ten calls in ten seconds, five on return; half of them failed and 20 points more than of the peers', or three times as slow and
    /// at least 100 ms; left out for five seconds to a minute.
    fn default() -> Self {
        Self {
            of_at_least: 10,
            on_return: 5,
            within: Duration::from_secs(10),
            failing: 50,
            more_than_peers: 20,
            slower: 3,
            slow: Duration::from_millis(100),
            left_out: Duration::from_secs(5),
            longest: Duration::from_mins(1),
        }
    }
}

/// Why a replica is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It fails more than its peers.
    Failing,
    /// It is slower than its peers.
    Slow,
}

/// The replicas, and how they fare. `K` names one of them, by its address say.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use resilience::{Call, Criteria, Outliers};
///
/// let (outliers, now) = (Outliers::new(Criteria::default()), Instant::now());
/// outliers.follow(["good", "fine", "bad"]);
/// for _ in 0..10 {
///     outliers.record(&"good", Call::Succeeded, Duration::from_millis(5), now);
///     outliers.record(&"bad", Call::Failed, Duration::from_millis(5), now);
/// }
/// assert!(outliers.admits(&"good", now) && !outliers.admits(&"bad", now));
/// assert!(outliers.admits(&"bad", now + Duration::from_secs(5)), "it is tried again");
/// ```
#[derive(Debug)]
pub struct Outliers<K> {
    criteria: Criteria,
    replicas: Mutex<BTreeMap<K, Record>>,
}

#[derive(Debug)]
struct Record {
    calls: Window<Tally>,
    /// Until when it is left out.
    until: Option<Instant>,
    /// How often it has been left out without having fared well in between.
    times: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    all: u32,
    failed: u32,
    /// Of the calls that succeeded; one that fails at once is not fast.
    latency: Duration,
}

impl Tally {
    fn and(self, other: Self) -> Self {
        Self {
            all: self.all + other.all,
            failed: self.failed + other.failed,
            latency: self.latency + other.latency,
        }
    }

    fn failing(&self) -> u32 {
        u32::try_from(u64::from(self.failed) * 100 / u64::from(self.all.max(1))).unwrap_or(100)
    }

    fn mean(&self) -> Option<Duration> {
        let succeeded = self.all - self.failed;
        (succeeded > 0).then(|| self.latency / succeeded)
    }
}

impl<K: Ord + Clone> Outliers<K> {
    /// With no replica yet.
    pub fn new(criteria: Criteria) -> Self {
        Self {
            criteria,
            replicas: Mutex::new(BTreeMap::new()),
        }
    }

    /// These are the replicas now. Those that stay keep their record.
    pub fn follow(&self, replicas: impl IntoIterator<Item = K>) {
        let mut known = self.lock();
        let mut before = std::mem::take(&mut *known);
        let within = self.criteria.within;
        known.extend(replicas.into_iter().map(|key| {
            let record = before.remove(&key).unwrap_or_else(|| Record::new(within));
            (key, record)
        }));
    }

    /// Whether a replica may be asked now. One that is not known may.
    pub fn admits(&self, replica: &K, now: Instant) -> bool {
        self.lock().get(replica).is_none_or(|it| !it.is_out(now))
    }

    /// How many are left out now.
    pub fn left_out(&self, now: Instant) -> usize {
        self.lock().values().filter(|it| it.is_out(now)).count()
    }

    /// Takes in how a call to a replica fared, and leaves it out if that shows it to be an outlier; then says why.
    pub fn record(
        &self,
        replica: &K,
        call: Call,
        latency: Duration,
        now: Instant,
    ) -> Option<Reason> {
        if call == Call::Ignored {
            return None;
        }
        let mut replicas = self.lock();
        let record = replicas.get_mut(replica)?;
        if record.is_out(now) {
            // A call from before it was left out.
            return None;
        }
        if record.until.take().is_some() {
            record.calls.clear();
        }
        let tally = record.calls.at(now);
        tally.all += 1;
        match call {
            Call::Failed => tally.failed += 1,
            _ => tally.latency += latency,
        }
        let own = record.tally(now);
        let least = if record.times > 0 {
            self.criteria.on_return
        } else {
            self.criteria.of_at_least
        };
        if own.all < least {
            return None;
        }
        let others = replicas
            .iter()
            .filter(|(key, it)| *key != replica && !it.is_out(now));
        let peers = others.fold(Tally::default(), |sum, (_, it)| sum.and(it.tally(now)));
        let out = replicas.values().filter(|it| it.is_out(now)).count();
        let room = out < replicas.len() / 2;
        let reason = self.judge(own, peers);
        let record = replicas.get_mut(replica)?;
        match reason {
            Some(_) if room && peers.all > 0 => {
                record.times += 1;
                let time = self
                    .criteria
                    .left_out
                    .saturating_mul(record.times)
                    .min(self.criteria.longest);
                record.until = Some(now + time);
                reason
            }
            Some(_) => None,
            None => {
                // It fares well: the next time counts as the first.
                record.times = 0;
                None
            }
        }
    }

    fn judge(&self, own: Tally, peers: Tally) -> Option<Reason> {
        let Criteria {
            failing,
            more_than_peers,
            slower,
            slow,
            ..
        } = self.criteria;
        if own.failing() >= failing && own.failing() >= peers.failing() + more_than_peers {
            return Some(Reason::Failing);
        }
        let (mine, theirs) = (own.mean()?, peers.mean()?);
        (mine >= slow && mine >= theirs.saturating_mul(slower)).then_some(Reason::Slow)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, Record>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn new(within: Duration) -> Self {
        Self {
            calls: Window::new(within),
            until: None,
            times: 0,
        }
    }

    fn is_out(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    fn tally(&self, now: Instant) -> Tally {
        self.calls
            .slots(now)
            .fold(Tally::default(), |sum, it| sum.and(*it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(10);

    fn three() -> (Outliers<&'static str>, Instant) {
        let outliers = Outliers::new(Criteria::default());
        outliers.follow(["a", "b", "c"]);
        (outliers, Instant::now())
    }

    /// Ten calls to each, of which those to `bad` fare as given.
    fn round(
        outliers: &Outliers<&'static str>,
        bad: &[&'static str],
        call: Call,
        latency: Duration,
        now: Instant,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for _ in 0..10 {
            for replica in ["a", "b", "c"] {
                let (call, latency) = if bad.contains(&replica) {
                    (call, latency)
                } else {
                    (Call::Succeeded, FAST)
                };
                if outliers.admits(&replica, now) {
                    reasons.extend(outliers.record(&replica, call, latency, now));
                }
            }
        }
        reasons
    }

    #[test]
    fn one_that_fails_alone_is_left_out_and_comes_back() {
        let (outliers, now) = three();
        assert_eq!(
            round(&outliers, &["a"], Call::Failed, FAST, now),
            [Reason::Failing]
        );
        assert!(!outliers.admits(&"a", now) && outliers.admits(&"b", now));
        let later = now + Duration::from_secs(5);
        assert!(outliers.admits(&"a", later));
        // It still fails: five calls suffice, and it is out for twice as long.
        assert_eq!(
            round(&outliers, &["a"], Call::Failed, FAST, later),
            [Reason::Failing]
        );
        assert!(!outliers.admits(&"a", later + Duration::from_secs(9)));
        let healed = later + Duration::from_secs(10);
        assert!(round(&outliers, &[], Call::Failed, FAST, healed).is_empty());
        assert_eq!(outliers.left_out(healed), 0);
    }

    #[test]
    fn what_all_have_in_common_is_no_ones_fault() {
        let (outliers, now) = three();
        assert!(round(&outliers, &["a", "b", "c"], Call::Failed, FAST, now).is_empty());
        let slow = Duration::from_secs(1);
        let (outliers, now) = three();
        assert!(round(&outliers, &["a", "b", "c"], Call::Succeeded, slow, now).is_empty());
    }

    #[test]
    fn one_that_is_slow_alone_is_left_out() {
        let (outliers, now) = three();
        let slow = Duration::from_secs(1);
        assert_eq!(
            round(&outliers, &["b"], Call::Succeeded, slow, now),
            [Reason::Slow]
        );
        assert!(!outliers.admits(&"b", now));
    }

    #[test]
    fn at_most_half_are_left_out() {
        let (outliers, now) = three();
        round(&outliers, &["a", "b"], Call::Failed, FAST, now);
        assert_eq!(outliers.left_out(now), 1);
        let alone = Outliers::new(Criteria::default());
        alone.follow(["only"]);
        for _ in 0..100 {
            assert_eq!(alone.record(&"only", Call::Failed, FAST, now), None);
        }
    }

    #[test]
    fn replicas_that_stay_keep_their_record() {
        let (outliers, now) = three();
        round(&outliers, &["a"], Call::Failed, FAST, now);
        outliers.follow(["a", "b", "d"]);
        assert!(!outliers.admits(&"a", now) && outliers.admits(&"d", now));
    }
}
