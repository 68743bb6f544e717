//! A simulated server: workers, a queue, random arrivals; nothing in it takes real time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use resilience::{Admission, Bounds, Limit, Priority};

/// How long a worker takes for a request, at first.
const SERVICE: Duration = Duration::from_millis(40);

/// A random number generator for a test that is the same each time (Vigna's splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        it ^ (it >> 31)
    }

    /// Uniform in 0 to 1, without 0.
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

struct Server {
    begin: Instant,
    now: Duration,
    workers: usize,
    limit: Limit,
    random: Random,
    /// How long a worker takes for a request, on average.
    takes: Duration,
    /// Whether requests are of all priorities, ...
    mixed: bool,
    /// ... or all of this one, which is the highest at first.
    only: usize,
    /// When each request that is being worked on ends, since when it is under way, and beside how many it began.
    busy: BinaryHeap<Reverse<(Duration, Duration, usize)>>,
    queue: VecDeque<(Duration, usize)>,
    answered: u32,
    refused: [u32; 4],
    offered: [u32; 4],
}

impl Server {
    fn new(workers: u32, mixed: bool, seed: u64) -> Self {
        Self {
            begin: Instant::now(),
            now: Duration::ZERO,
            workers: usize::try_from(workers).expect("small"),
            limit: Limit::new(Bounds::default()),
            takes: SERVICE,
            mixed,
            only: 3,
            random: Random(seed),
            busy: BinaryHeap::new(),
            queue: VecDeque::new(),
            answered: 0,
            refused: [0; 4],
            offered: [0; 4],
        }
    }

    fn in_flight(&self) -> usize {
        self.busy.len() + self.queue.len()
    }

    /// Serves what arrives at `rate` a second, at random, for so long; the mean limit of the last half of that time.
    fn serve(&mut self, rate: f64, time: Duration) -> f64 {
        let end = self.now + time;
        let (mut sum, mut count) = (0.0, 0.0);
        let mut arrival = self.now + self.gap(rate);
        while arrival < end {
            while let Some(Reverse((ends, ..))) = self.busy.peek().copied() {
                if ends > arrival {
                    break;
                }
                self.end_first();
            }
            self.now = arrival;
            self.arrive();
            if arrival + time / 2 > end {
                sum += f64::from(u32::try_from(self.limit.current()).expect("small"));
                count += 1.0;
            }
            arrival += self.gap(rate);
        }
        sum / count
    }

    fn gap(&mut self, rate: f64) -> Duration {
        Duration::from_secs_f64(-self.random.uniform().ln() / rate)
    }

    fn arrive(&mut self) {
        let any = usize::try_from(self.random.next() % 4).expect("one of four");
        let class = if self.mixed { any } else { self.only };
        self.offered[class] += 1;
        let in_flight = self.in_flight();
        if !Admission::default().admits(Priority::ALL[class], in_flight, self.limit.current()) {
            self.refused[class] += 1;
            self.limit.reached();
            return;
        }
        self.queue.push_back((self.now, in_flight + 1));
        self.begin_next();
    }

    fn begin_next(&mut self) {
        while self.busy.len() < self.workers {
            let Some((since, beside)) = self.queue.pop_front() else {
                break;
            };
            // 20 % more or less.
            let takes = self.takes.mul_f64(0.8 + 0.4 * self.random.uniform());
            self.busy.push(Reverse((self.now + takes, since, beside)));
        }
    }

    fn end_first(&mut self) {
        if let Some(Reverse((ends, since, beside))) = self.busy.pop() {
            self.now = ends;
            self.answered += 1;
            self.limit
                .completed(ends.saturating_sub(since), beside, self.begin + ends);
            self.begin_next();
        }
    }
}

/// What Little's law says: as many at once as are answered in the time that one takes, which is one for each worker.
fn assert_near(limit: f64, workers: u32) {
    let share = limit / f64::from(workers);
    assert!(
        (0.7..=1.3).contains(&share),
        "a limit of {limit:.1} for {workers} workers"
    );
}

/// Chance must not decide.
const SEEDS: std::ops::Range<u64> = 0..5;

#[test]
fn under_overload_the_limit_comes_to_what_the_workers_can_do() {
    for (seed, workers) in SEEDS.flat_map(|seed| [(seed, 8_u32), (seed, 16), (seed, 40)]) {
        let mut server = Server::new(workers, false, seed);
        let capacity = f64::from(workers) / SERVICE.as_secs_f64();
        let limit = server.serve(3.0 * capacity, Duration::from_secs(20));
        assert_near(limit, workers);
        let goodput = f64::from(server.answered) / 20.0;
        assert!(
            goodput > 0.9 * capacity,
            "{goodput:.0}/s of {capacity:.0}/s"
        );
    }
}

#[test]
fn the_limit_is_found_although_nobody_may_use_all_of_it() {
    for (seed, only) in SEEDS.flat_map(|seed| [(seed, 0), (seed, 1), (seed, 2)]) {
        let mut server = Server::new(16, false, seed);
        server.only = only;
        let capacity = 16.0 / SERVICE.as_secs_f64();
        server.serve(3.0 * capacity, Duration::from_secs(20));
        // Of so many workers there is something to do for this share.
        let room = Admission::default().room(Priority::ALL[only], server.limit.current());
        assert_near(f64::from(u32::try_from(room).expect("small")), 16);
    }
}

#[test]
fn the_limit_follows_when_half_of_the_workers_are_gone_and_when_they_come_back() {
    for seed in SEEDS {
        let mut server = Server::new(16, false, seed);
        let rate = 2.0 * 16.0 / SERVICE.as_secs_f64();
        assert_near(server.serve(rate, Duration::from_secs(20)), 16);
        server.workers = 8;
        assert_near(server.serve(rate, Duration::from_secs(20)), 8);
        server.workers = 16;
        assert_near(server.serve(rate, Duration::from_secs(20)), 16);
    }
}

#[test]
fn a_service_that_became_slower_for_good_is_not_taken_for_one_that_queues() {
    for seed in SEEDS {
        let mut server = Server::new(16, false, seed);
        let rate = 2.0 * 16.0 / SERVICE.as_secs_f64();
        assert_near(server.serve(rate, Duration::from_secs(20)), 16);
        server.takes = 2 * SERVICE;
        server.serve(rate, Bounds::default().remeasure);
        assert_near(server.serve(rate, Duration::from_secs(20)), 16);
    }
}

#[test]
fn a_quarter_of_an_hour_of_overload_does_not_make_it_forget_what_is_normal() {
    let mut server = Server::new(8, false, 0);
    let rate = 2.0 * 8.0 / SERVICE.as_secs_f64();
    server.serve(rate, Duration::from_mins(15));
    assert_near(server.serve(rate, Duration::from_mins(1)), 8);
    let base = server.limit.base().expect("it is measured");
    assert!(base < SERVICE.mul_f64(1.1), "{base:?}");
}

#[test]
fn below_capacity_nothing_is_refused_that_matters() {
    let mut server = Server::new(16, true, 0);
    let rate = 0.5 * 16.0 / SERVICE.as_secs_f64();
    server.serve(rate, Duration::from_mins(2));
    assert_eq!(server.refused[3], 0, "of the highest priority");
    let (refused, offered): (u32, u32) = (server.refused.iter().sum(), server.offered.iter().sum());
    assert!(
        refused * 100 < offered,
        "{:?} of {:?}",
        server.refused,
        server.offered
    );
}

#[test]
fn under_overload_what_matters_most_is_refused_least() {
    let mut server = Server::new(16, true, 0);
    let rate = 2.0 * 16.0 / SERVICE.as_secs_f64();
    server.serve(rate, Duration::from_mins(1));
    let share = |class: usize| f64::from(server.refused[class]) / f64::from(server.offered[class]);
    let shares = [0, 1, 2, 3].map(share);
    assert!(shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
    assert!(shares[0] > 0.9 && shares[3] < 0.4, "{shares:?}");
}

#[test]
fn what_a_machine_takes_for_itself_is_no_queue() {
    let lowest = |noise| {
        let mut limit = Limit::new(Bounds {
            noise,
            ..Bounds::default()
        });
        let begin = Instant::now();
        let mut least = limit.current();
        for sample in 0..1_000 {
            let micros = if sample < 100 { 100 } else { 4_000 };
            let now = begin + Duration::from_millis(20 * sample);
            limit.completed(Duration::from_micros(micros), 20, now);
            least = least.min(limit.current());
        }
        least
    };
    let first = Bounds::default().first;
    assert_eq!(lowest(Duration::from_millis(5)), first);
    // Until the base is measured anew.
    assert!(lowest(Duration::ZERO) < first / 2);
}
