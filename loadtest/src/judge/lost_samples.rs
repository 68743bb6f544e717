//! Finds out which request a histogram has missed.
//!
//! A histogram counts and sums, so a lost sample shows as a count that is one too low, and its duration as what the sum
//! lacks. Durations are known to the nanosecond from access lines and spans, so the one that fits is the lost one. The
//! search goes from scrape to scrape, because it only works where one sample is missing; or two, where it is sure which
//! requests the scrapes have counted.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

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
/// With more requests so close to the moment of a scrape that each may be in it or not, it cannot be decided.
const MAX_LOOSE: usize = 6;
/// With more ways to divide the requests near two scrapes, one of them might fit by chance.
const MAX_WAYS: usize = 1 << 14;
/// Among more requests than this, other pairs have the same duration together by chance.
const MAX_PAIRED: usize = 2000;

/// The requests whose samples were lost, as far as they can be told.
pub(crate) fn find<'a>(requests: &[Counted<'a>], readings: &[Reading]) -> Vec<&'a str> {
    // Between neighbours there is the least to choose from; from the first or to the last, which are quiet, only one end is
    // unsure.
    let last = readings.len().saturating_sub(1);
    let intervals: BTreeSet<_> = (0..last)
        .flat_map(|it| [(it, it + 1), (0, it + 1), (it, last)])
        .collect();
    let found: BTreeSet<_> = intervals
        .into_iter()
        .flat_map(|(from, to)| in_interval(requests, &readings[from], &readings[to]))
        .collect();
    found.into_iter().collect()
}

/// Those that were lost between two readings; none, if that cannot be told. One near a reading is never named: it may as well
/// belong to the next interval.
fn in_interval<'a>(requests: &[Counted<'a>], from: &Reading, to: &Reading) -> Vec<&'a str> {
    let Some((inside, ways)) = expected(requests, from, to) else {
        return Vec::new();
    };
    let grown = (to.count - from.count, to.sum - from.sum);
    // Adding up rounds each time, by half a unit in the last place at most.
    let tolerance_ns = 0.5 + to.count * to.sum * f64::EPSILON / 2.0 * 1e9;
    let mut fits = Vec::new();
    for total in &ways {
        let lacking = to_f64(total.1) - grown.1 * 1e9;
        let near = |sum: u64| (to_f64(sum) - lacking).abs() <= tolerance_ns;
        let surplus = to_f64(total.0) - grown.0;
        if (surplus - 1.0).abs() < 0.5 {
            let ones = inside.iter().filter(|it| near(it.duration_ns));
            fits.extend(ones.map(|it| vec![it.request_id]));
        } else if (surplus - 2.0).abs() < 0.5 && ways.len() == 1 && inside.len() <= MAX_PAIRED {
            fits.extend(pairs(&inside, near));
        }
    }
    fits.sort_unstable();
    fits.dedup();
    match fits.len() {
        1 => fits.remove(0),
        _ => Vec::new(),
    }
}

/// The requests that ended for certain between two readings, and what all of them and some of those near the readings, in
/// every way that is possible, add up to. Nothing, if there are too many ways.
fn expected<'r, 'a>(
    requests: &'r [Counted<'a>],
    from: &Reading,
    to: &Reading,
) -> Option<(Vec<&'r Counted<'a>>, BTreeSet<Total>)> {
    let near = |at: SystemTime, reading: &Reading| {
        at + SLACK >= reading.asked && at <= reading.answered + SLACK
    };
    let (mut inside, mut early, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for request in requests {
        match (near(request.ended, from), near(request.ended, to)) {
            (true, true) => return None,
            (true, false) => early.push(request),
            (false, true) => late.push(request),
            (false, false) => {
                if request.ended > from.answered && request.ended < to.asked {
                    inside.push(request);
                }
            }
        }
    }
    let (early, late) = (divisions(early)?, divisions(late)?);
    if early.len() * late.len() > MAX_WAYS {
        return None;
    }
    let within = Total::of(&inside);
    let ways = early.iter().flat_map(|(_, after_from)| {
        let begun = within + *after_from;
        late.iter().map(move |(before_to, _)| begun + *before_to)
    });
    Some((inside, ways.collect()))
}

/// Every two requests whose durations together are `near` what is lacking.
fn pairs<'a>(inside: &[&Counted<'a>], near: impl Fn(u64) -> bool) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    for (index, one) in inside.iter().enumerate() {
        for other in &inside[index + 1..] {
            if near(one.duration_ns + other.duration_ns) {
                found.push(vec![one.request_id, other.request_id]);
            }
        }
    }
    found
}

/// A number of requests and the sum of their durations in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Total(u64, u64);

impl Total {
    fn of(requests: &[&Counted<'_>]) -> Self {
        let sum = requests.iter().map(|it| it.duration_ns).sum();
        Self(requests.len() as u64, sum)
    }
}

impl std::ops::Add for Total {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

/// The ways in which a scrape can have divided the requests near it into those that it counted and the rest: at some moment,
/// before or after which only those within [`SLACK`] of it may have been counted out of turn.
fn divisions(mut near: Vec<&Counted<'_>>) -> Option<BTreeSet<(Total, Total)>> {
    near.sort_unstable_by_key(|it| it.ended);
    let mut ways = BTreeSet::new();
    for cut in 0..=near.len() {
        let (before, after) = near.split_at(cut);
        let sure = before.partition_point(|it| {
            let last = before[before.len() - 1];
            it.ended + SLACK < last.ended
        });
        let open = after.partition_point(|it| it.ended <= after[0].ended + SLACK);
        let loose = &near[sure..cut + open];
        if loose.len() > MAX_LOOSE {
            return None;
        }
        let (counted, rest) = (Total::of(&near[..sure]), Total::of(&near[cut + open..]));
        for choice in 0..1_usize << loose.len() {
            let (mut these, mut those) = (counted, rest);
            for (index, request) in loose.iter().enumerate() {
                let side = if choice >> index & 1 == 1 {
                    &mut these
                } else {
                    &mut those
                };
                *side = *side + Total::of(&[request]);
            }
            ways.insert((these, those));
        }
    }
    Some(ways)
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

    use super::*;

    /// A thousand requests, one in ten milliseconds, read ten times; the histogram misses those in `lost`.
    fn lose(lost: &[usize]) -> Vec<String> {
        lose_of(lost, 10, 2)
    }

    /// The same with other gaps between requests and other lengths of a scrape, which reads in its middle.
    fn lose_of(lost: &[usize], gap_ms: u64, scrape_ms: u64) -> Vec<String> {
        let ids: Vec<_> = (0..1000).map(|it| format!("r-{it}")).collect();
        let at = |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_micros(millis * 1000 + 500);
        let mut random = SmallRng::seed_from_u64(1);
        let requests: Vec<_> = (0..1000)
            .map(|it| Counted {
                request_id: &ids[it],
                ended: at(it as u64 * gap_ms),
                duration_ns: random.random_range(1_000_000..10_000_000),
            })
            .collect();
        let readings: Vec<_> = (0..=10)
            .map(|reading| {
                let asked = match reading {
                    0 => SystemTime::UNIX_EPOCH - Duration::from_secs(1),
                    _ => at(reading * 100 * gap_ms + 3),
                };
                let read = asked + Duration::from_millis(scrape_ms) / 2;
                let seen = requests
                    .iter()
                    .enumerate()
                    .filter(|(index, it)| reading > 0 && it.ended <= read && !lost.contains(index));
                let (mut count, mut sum) = (0.0, 0.0);
                for (_, it) in seen {
                    count += 1.0;
                    sum += Duration::from_nanos(it.duration_ns).as_secs_f64();
                }
                Reading {
                    asked,
                    answered: asked + Duration::from_millis(scrape_ms),
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
    fn lost_samples_are_named_though_many_requests_end_during_a_slow_scrape() {
        assert_eq!(lose_of(&[345], 4, 60), ["r-345"]);
        assert_eq!(lose_of(&[150, 777], 4, 60), ["r-150", "r-777"]);
    }

    #[test]
    fn two_between_the_same_scrapes_are_named_if_they_are_all() {
        assert_eq!(lose(&[345, 350]), ["r-345", "r-350"]);
        assert_eq!(lose(&[345, 350, 777]), ["r-777"], "no guess at the others");
    }
}
