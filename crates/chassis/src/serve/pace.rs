//! How long a client may keep us waiting while we send: pure, with the clock as an argument.

use tokio::time::{Duration, Instant};

/// The slowest a client may read, in bytes per second: below what a telephone of 1999 did (GPRS, 32 kbit/s).
const MIN_RATE: u32 = 4 * 1024;

/// The patience with one client: a stock of time that is used up while it is waited for, and is filled again as it reads, so
/// that one that stops and one that drips come to the same end. ASP.NET's Kestrel does alike (`MinResponseDataRate`).
#[derive(Debug)]
pub(super) struct Pace {
    most: Duration,
    left: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// Waits for at most `most` without any progress.
    pub(super) fn new(most: Duration) -> Self {
        Self {
            most,
            left: most,
            since: None,
        }
    }

    /// The client is waited for from now on.
    pub(super) fn wait(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The client took so many bytes, and is not waited for now.
    pub(super) fn took(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(now - since);
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * bytes / MIN_RATE;
        self.left = self.left.saturating_add(earned).min(self.most);
    }

    /// Whether nothing has been used up.
    pub(super) fn is_full(&self) -> bool {
        self.since.is_none() && self.left == self.most
    }

    /// When patience ends, if the client is waited for.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.since.map(|it| it + self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(10);

    /// A client that takes so many bytes after each second of waiting, and the second in which patience ends.
    fn ends(bytes: usize) -> Option<u64> {
        let start = Instant::now();
        let mut pace = Pace::new(MOST);
        (0..1_000).find(|second| {
            let now = start + Duration::from_secs(*second);
            pace.wait(now);
            let next = now + Duration::from_secs(1);
            if pace.ends().unwrap() <= next {
                return true;
            }
            pace.took(bytes, next);
            false
        })
    }

    #[test]
    fn a_client_that_stops_or_drips_is_given_up_and_a_slow_one_is_not() {
        assert_eq!(ends(0), Some(9), "as long as allowed");
        assert_eq!(ends(1), Some(10));
        assert_eq!(ends(2 * 1024), Some(18), "half the rate, twice the time");
        assert_eq!(ends(4 * 1024), None);
        assert_eq!(ends(usize::MAX), None);
    }

    #[test]
    fn what_was_read_fast_buys_no_more_than_the_stock() {
        let start = Instant::now();
        let mut pace = Pace::new(MOST);
        assert!(pace.is_full() && pace.ends().is_none());
        pace.took(1 << 30, start);
        pace.wait(start);
        assert!(!pace.is_full());
        assert_eq!(pace.ends(), Some(start + MOST));
        pace.wait(start + MOST / 2);
        assert_eq!(pace.ends(), Some(start + MOST), "since the first");
    }
}
