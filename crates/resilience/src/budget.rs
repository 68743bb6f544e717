//! A retry budget: retries are a small share of what is asked for, however much fails.
//!
//! A retry that every caller makes multiplies the load of whoever is already failing; bounded as a share of the requests, it cannot
//! (Finagle's `RetryBudget`, 2016; Brooker, "Fixing retries with token buckets and circuit breakers", 2022). Only one layer may retry,
//! else the shares multiply.
//!
//! Weighed: tower's `TpsBudget` is the same idea, but it reads its own clock and counts in slots of a tenth of its TTL, so that what it
//! allows in a schedule cannot be said exactly.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// One retry, in the unit that is counted.
const RETRY: u64 = 1_000_000_000;

/// How many retries there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Of the requests, in percent.
    pub percent: u32,
    /// And so many a second, so that a caller of few requests can retry at all.
    pub per_second: u32,
    /// At most so many are saved up.
    pub burst: u32,
}

impl Default for Allowance {
    /// A tenth, one a second, ten saved up.
    fn default() -> Self {
        Self {
            percent: 10,
            per_second: 1,
            burst: 10,
        }
    }
}

#[derive(Debug, Default)]
struct Purse {
    /// What is saved, in billionths of a retry.
    saved: u64,
    /// Up to when the share of time has been put in.
    counted: Option<Instant>,
}

/// Counts requests, and with them pays for retries. It begins with the retries of one second.
///
/// ```
/// use std::time::Instant;
///
/// use resilience::{Allowance, Budget};
///
/// let (budget, now) = (Budget::new(Allowance::default()), Instant::now());
/// for _ in 0..100 {
///     budget.deposit(now); // a hundred requests, all of which fail
/// }
/// let retries = (0..100).filter(|_| budget.withdraw(now)).count();
/// assert_eq!(retries, 10);
/// ```
#[derive(Debug)]
pub struct Budget {
    allowance: Allowance,
    purse: Mutex<Purse>,
}

impl Budget {
    /// With nothing counted yet.
    pub fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            purse: Mutex::default(),
        }
    }

    /// A request is made for the first time: it pays its share.
    pub fn deposit(&self, now: Instant) {
        let mut purse = self.updated(now);
        let share = RETRY / 100 * u64::from(self.allowance.percent);
        purse.saved = purse.saved.saturating_add(share).min(self.most());
    }

    /// Takes one retry out, if there is one.
    pub fn withdraw(&self, now: Instant) -> bool {
        let mut purse = self.updated(now);
        let left = purse.saved.checked_sub(RETRY);
        purse.saved = left.unwrap_or(purse.saved);
        left.is_some()
    }

    /// How many retries are left.
    pub fn left(&self, now: Instant) -> u32 {
        u32::try_from(self.updated(now).saved / RETRY).unwrap_or(u32::MAX)
    }

    fn most(&self) -> u64 {
        RETRY.saturating_mul(u64::from(self.allowance.burst))
    }

    /// With the share of the time that has passed.
    fn updated(&self, now: Instant) -> MutexGuard<'_, Purse> {
        let mut purse = self.purse.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = match purse.counted {
            None => Duration::from_secs(1),
            Some(counted) => now.saturating_duration_since(counted),
        };
        purse.counted = Some(purse.counted.map_or(now, |it| it.max(now)));
        let nanos = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        let share = nanos.saturating_mul(u64::from(self.allowance.per_second));
        purse.saved = purse.saved.saturating_add(share).min(self.most());
        purse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_requests_and_one_a_second_are_tried_again() {
        let (budget, now) = (Budget::new(Allowance::default()), Instant::now());
        assert!(
            budget.withdraw(now) && !budget.withdraw(now),
            "one of the first second"
        );
        for _ in 0..10 {
            assert_eq!(budget.left(now), 0);
            budget.deposit(now);
        }
        assert_eq!(budget.left(now), 1);
        assert!(budget.withdraw(now) && !budget.withdraw(now));
        assert!(budget.withdraw(now + Duration::from_secs(1)));
    }

    #[test]
    fn no_more_than_the_burst_is_saved_up() {
        let (budget, now) = (Budget::new(Allowance::default()), Instant::now());
        for _ in 0..1_000 {
            budget.deposit(now);
        }
        assert_eq!(budget.left(now + Duration::from_hours(1)), 10);
    }
}
