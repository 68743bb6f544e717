//! Finds out which request a histogram has missed.
//!
//! A histogram counts and sums, so a lost sample shows as a count that is one too low, and its duration as what the sum
//! lacks. Durations are known to the nanosecond from access lines and spans, so the one that fits is the lost one. The
//! search goes from scrape to scrape, because it only works where a single sample is missing.

use std::time::{Duration, SystemTime};

use crate::statistics::to_f64;

/// A request that must have been counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) ended: SystemTime,
    pub(crate) duration_ns: u64,
}

/// What a histogram said at one scrape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) asked: SystemTime,
    pub(crate) answered: SystemTime,
    pub(crate) count: f64,
    /// Seconds.
    pub(crate) sum: f64,
}

/// A request counts as near a scrape, and may or may not be in it, when it ended so close to it.
const SLACK: Duration = Duration::from_millis(5);
/// With more requests near the scrapes, an interval has too many readings to decide between.
const MAX_NEAR: usize = 8;
/// How far a sum of floating-point seconds may be off, in nanoseconds.
const TOLERANCE_NS: f64 = 2.0;

/// The requests whose samples were lost, as far as they can be told.
pub(crate) fn find<'a>(requests: &[Counted<'a>], readings: &[Reading]) -> Vec<&'a str> {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else {
        return Vec::new();
    };
    let mut found: Vec<_> = readings
        .windows(2)
        .filter_map(|it| in_interval(requests, &it[0], &it[1]))
        .collect();
    if found.is_empty() {
        found.extend(in_interval(requests, first, last));
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn in_interval<'a>(requests: &[Counted<'a>], from: &Reading, to: &Reading) -> Option<&'a str> {
    let near = |at: SystemTime, reading: &Reading| {
        at + SLACK >= reading.asked && at <= reading.answered + SLACK
    };
    let (mut inside, mut unsure) = (Vec::new(), Vec::new());
    for request in requests {
        if near(request.ended, from) || near(request.ended, to) {
            unsure.push(request);
        } else if request.ended > from.answered && request.ended < to.asked {
            inside.push(request);
        }
    }
    if unsure.len() > MAX_NEAR {
        return None;
    }
    let mut fits = Vec::new();
    for choice in 0..1_usize << unsure.len() {
        let chosen = (0..unsure.len()).filter(|it| choice >> it & 1 == 1);
        let chosen: Vec<_> = chosen.map(|it| unsure[it]).collect();
        let (count, sum) = (to.count - from.count, to.sum - from.sum);
        fits.extend(the_one_missing(&inside, &chosen, count, sum));
    }
    fits.sort_unstable();
    fits.dedup();
    match fits[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// If `inside` and `beside` together have exactly one request more than `count`, the one of `inside` whose duration is
/// what `sum` lacks. One of `beside` is never named: it may as well belong to the next interval.
fn the_one_missing<'a>(
    inside: &[&Counted<'a>],
    beside: &[&Counted<'a>],
    count: f64,
    sum: f64,
) -> Option<&'a str> {
    let all = inside.iter().chain(beside);
    let lacking = to_f64(all.map(|it| it.duration_ns).sum()) - sum * 1e9;
    let surplus = to_f64((inside.len() + beside.len()) as u64) - count;
    if (surplus - 1.0).abs() > 0.5 {
        return None;
    }
    let mut fits = inside
        .iter()
        .filter(|it| (to_f64(it.duration_ns) - lacking).abs() <= TOLERANCE_NS);
    match (fits.next(), fits.next()) {
        (Some(only), None) => Some(only.request_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

    use super::*;

    /// A thousand requests, one in ten milliseconds, read ten times; the histogram misses those in `lost`.
    fn lose(lost: &[usize]) -> Vec<String> {
        let ids: Vec<_> = (0..1000).map(|it| format!("r-{it}")).collect();
        let at = |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_micros(millis * 1000 + 500);
        let mut random = SmallRng::seed_from_u64(1);
        let requests: Vec<_> = (0..1000)
            .map(|it| Counted {
                request_id: &ids[it],
                ended: at(it as u64 * 10),
                duration_ns: random.random_range(1_000_000..10_000_000),
            })
            .collect();
        let readings: Vec<_> = (0..=10)
            .map(|reading| {
                let asked = at(reading * 1000 + 3);
                let seen = requests.iter().enumerate().filter(|(index, it)| {
                    reading > 0 && it.ended <= asked && !lost.contains(index)
                });
                let (mut count, mut sum) = (0.0, 0.0);
                for (_, it) in seen {
                    count += 1.0;
                    sum += Duration::from_nanos(it.duration_ns).as_secs_f64();
                }
                Reading {
                    asked,
                    answered: asked + Duration::from_millis(2),
                    count,
                    sum,
                }
            })
            .collect();
        let found = find(&requests, &readings);
        found.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn lost_samples_are_named_where_one_is_missing_between_two_scrapes() {
        assert_eq!(lose(&[]), [""; 0]);
        assert_eq!(lose(&[345]), ["r-345"]);
        assert_eq!(lose(&[150, 777]), ["r-150", "r-777"]);
    }

    #[test]
    fn two_between_the_same_scrapes_are_not_guessed_at() {
        assert_eq!(lose(&[345, 350, 777]), ["r-777"]);
    }
}
