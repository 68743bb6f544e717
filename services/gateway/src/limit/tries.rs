//! How many wrong log-ins an account takes, wherever they come from: a token bucket each (GCRA), which a try takes from and a right
//! one gives back to. Buckets of governor only take.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How many addresses can try at their full rate before an account takes no more. One alone can lock nobody out.
const ADDRESSES: u32 = 4;

/// The buckets of all accounts.
#[derive(Debug)]
pub(super) struct Tries {
    /// One try more every so often.
    period: Duration,
    /// What a full bucket has, in time.
    burst: Duration,
    /// When the bucket of each account will be full again, by a hash of its address.
    full_at: Mutex<HashMap<u64, Instant>>,
}

impl Tries {
    /// For so many tries of one address, per second and at once.
    pub(super) fn new(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let period = Duration::from_secs(1) / rate.get().saturating_mul(ADDRESSES);
        Self {
            period,
            burst: period.saturating_mul(burst.get().saturating_mul(ADDRESSES)),
            full_at: Mutex::default(),
        }
    }

    /// Takes a try of the account, or says how long to wait for one.
    pub(super) fn take(&self, account: u64) -> Result<(), Duration> {
        let now = Instant::now();
        let mut full_at = self.lock();
        let then = full_at.get(&account).map_or(now, |it| now.max(*it)) + self.period;
        let missing = (then - now).saturating_sub(self.burst);
        if !missing.is_zero() {
            return Err(missing);
        }
        full_at.insert(account, then);
        Ok(())
    }

    /// Gives one back.
    pub(super) fn give_back(&self, account: u64) {
        if let Some(it) = self.lock().get_mut(&account) {
            *it -= self.period;
        }
    }

    /// Forgets the buckets that are full.
    pub(super) fn forget_full(&self) {
        let now = Instant::now();
        let mut full_at = self.lock();
        full_at.retain(|_, it| *it > now);
        full_at.shrink_to_fit();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Instant>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(rate: u32, burst: u32) -> Tries {
        let count = |it| NonZeroU32::new(it).unwrap();
        Tries::new(count(rate), count(burst))
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_takes_what_four_addresses_may_try_and_then_a_try_whenever_one_is_due() {
        let tries = tries(5, 10);
        for _ in 0..40 {
            assert_eq!(tries.take(1), Ok(()));
        }
        assert_eq!(tries.take(1), Err(Duration::from_millis(50)));
        assert_eq!(tries.take(2), Ok(()), "another account");
        tokio::time::advance(Duration::from_millis(50)).await;
        assert_eq!(tries.take(1), Ok(()));
        assert!(tries.take(1).is_err());
        tokio::time::advance(Duration::from_mins(1)).await;
        for _ in 0..40 {
            assert_eq!(tries.take(1), Ok(()));
        }
        assert!(tries.take(1).is_err(), "no more than that is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_can_be_taken_again_and_a_full_bucket_is_forgotten() {
        let tries = tries(1, 1);
        for _ in 0..100 {
            assert_eq!(tries.take(1), Ok(()));
            tries.give_back(1);
        }
        tries.give_back(2);
        for _ in 0..4 {
            assert_eq!(tries.take(1), Ok(()));
        }
        tries.forget_full();
        assert!(tries.take(1).is_err(), "not full");
        tokio::time::advance(Duration::from_secs(1)).await;
        tries.forget_full();
        assert!(tries.lock().is_empty());
    }

    #[test]
    fn the_highest_rate_is_a_rate() {
        let tries = tries(u32::MAX, u32::MAX);
        assert_eq!(tries.take(1), Ok(()));
    }
}
