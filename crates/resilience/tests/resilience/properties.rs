//! What holds in any schedule.

use std::{
    mem,
    time::{Duration, Instant},
};

use proptest::{collection::vec, prelude::*};
use resilience::{
    Admission, Allowance, Backoff, Bounds, Breaker, BreakerSettings, Budget, Bulkhead, Call,
    Criteria, Entry, Limit, Opens, Outliers, Permit, Priority, Room, State, pick,
};

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        Just(Call::Succeeded),
        Just(Call::Failed),
        Just(Call::Ignored)
    ]
}

/// What callers of a breaker do.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Ask, and if admitted begin a call.
    Begin,
    /// The oldest call ends so.
    End(Call),
    /// The oldest caller goes away.
    GiveUp,
    /// Nothing is ever heard of the oldest call.
    Lose,
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, u64)>> {
    let deed = prop_oneof![
        4 => Just(Deed::Begin),
        3 => call().prop_map(Deed::End),
        1 => Just(Deed::GiveUp),
        1 => Just(Deed::Lose),
    ];
    vec((deed, 0..1_500_u64), 1..300)
}

fn settings() -> impl Strategy<Value = BreakerSettings> {
    let share =
        (10..100_u32, 1..30_u32, 100..20_000_u64).prop_map(|(percent, of_at_least, within)| {
            Opens::Share {
                percent,
                of_at_least,
                within: Duration::from_millis(within),
            }
        });
    let opens = prop_oneof![share, (1..10_u32).prop_map(Opens::InARow)];
    (opens, 1..5_000_u64, 1..5_000_u64, 0..5_u32).prop_map(|(opens, slow, left_alone, probes)| {
        BreakerSettings {
            opens,
            slow: Duration::from_millis(slow),
            left_alone: Duration::from_millis(left_alone),
            probes,
        }
    })
}

/// The rule of a breaker in the plainest words: every call of the present era is kept, and nothing else.
struct Plain {
    settings: BreakerSettings,
    state: State,
    until: Option<Instant>,
    origin: Option<Instant>,
    calls: Vec<(Instant, bool)>,
    succeeded: u32,
}

impl Plain {
    fn slot(&self, at: Instant) -> u128 {
        let Opens::Share { within, .. } = self.settings.opens else {
            return 0;
        };
        let origin = self.origin.unwrap_or(at);
        (at - origin).as_nanos() / (within / 10).as_nanos().max(1)
    }

    fn end(&mut self, began: Instant, call: Call, now: Instant) {
        let slow = now - began >= self.settings.slow;
        let failed = call == Call::Failed || (call == Call::Succeeded && slow);
        match self.state {
            _ if call == Call::Ignored => {}
            State::Open => {}
            State::HalfOpen if failed => self.open(now),
            State::HalfOpen => {
                self.succeeded += 1;
                if self.succeeded >= self.settings.probes.max(1) {
                    self.change(State::Closed);
                }
            }
            State::Closed => {
                self.origin.get_or_insert(now);
                self.calls.push((now, failed));
                if failed && self.too_many(now) {
                    self.open(now);
                }
            }
        }
    }

    fn too_many(&self, now: Instant) -> bool {
        match self.settings.opens {
            Opens::InARow(most) => {
                let row = self.calls.iter().rev().take_while(|it| it.1).count();
                row >= usize::try_from(most).expect("small")
            }
            Opens::Share {
                percent,
                of_at_least,
                ..
            } => {
                let slot = self.slot(now);
                let recent = self.calls.iter().filter(|it| self.slot(it.0) + 10 > slot);
                let (all, bad) =
                    recent.fold((0, 0), |(all, bad), it| (all + 1, bad + u32::from(it.1)));
                all >= of_at_least && bad * 100 >= all * percent
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.change(State::Open);
        self.until = Some(now + self.settings.left_alone);
    }

    fn change(&mut self, state: State) {
        (self.state, self.until, self.succeeded) = (state, None, 0);
        self.calls.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_breaker_is_in_the_state_of_its_plain_rule(settings in settings(), deeds in deeds()) {
        let breaker = Breaker::new(settings);
        let mut plain = Plain {
            settings, state: State::Closed, until: None, origin: None, calls: Vec::new(), succeeded: 0,
        };
        let mut now = Instant::now();
        // The calls under way, with the number of changes of state there had been when they began.
        let mut under_way: Vec<(Permit<'_>, Instant, u32)> = Vec::new();
        let mut changes = 0;
        for (deed, millis) in deeds {
            now += Duration::from_millis(millis);
            let before = plain.state;
            match deed {
                Deed::Begin => {
                    let permit = breaker.admit(now);
                    if plain.state == State::Open && plain.until.is_some_and(|it| now >= it) {
                        plain.change(State::HalfOpen);
                        changes += 1;
                    }
                    match plain.state {
                        State::Closed => prop_assert!(permit.is_some()),
                        State::Open => prop_assert!(permit.is_none()),
                        State::HalfOpen => {}
                    }
                    under_way.extend(permit.map(|it| (it, now, changes)));
                }
                Deed::End(call) if !under_way.is_empty() => {
                    let (permit, began, era) = under_way.remove(0);
                    if era == changes {
                        plain.end(began, call, now);
                        changes += u32::from(plain.state != before);
                    }
                    let changed = permit.finish(call, now);
                    prop_assert_eq!(changed, (plain.state != before).then_some(plain.state));
                }
                Deed::GiveUp if !under_way.is_empty() => drop(under_way.remove(0)),
                Deed::Lose if !under_way.is_empty() => mem::forget(under_way.remove(0).0),
                _ => {}
            }
            prop_assert_eq!(breaker.state(), plain.state);
        }
    }

    #[test]
    fn a_breaker_never_stays_open_without_probing(settings in settings(), deeds in deeds()) {
        let breaker = Breaker::new(settings);
        let mut now = Instant::now();
        let mut under_way: Vec<Permit<'_>> = Vec::new();
        for (deed, millis) in deeds {
            now += Duration::from_millis(millis);
            match deed {
                Deed::Begin => {
                    if let Some(permit) = breaker.admit(now) {
                        under_way.push(permit);
                    } else {
                        // However the calls under way fare, one may try again once it was left alone for long enough.
                        now += settings.left_alone;
                        let probe = breaker.admit(now);
                        prop_assert!(probe.is_some_and(|it| it.is_probe()));
                    }
                }
                Deed::End(call) if !under_way.is_empty() => {
                    under_way.remove(0).finish(call, now);
                }
                Deed::GiveUp if !under_way.is_empty() => drop(under_way.remove(0)),
                Deed::Lose if !under_way.is_empty() => mem::forget(under_way.remove(0)),
                _ => {}
            }
        }
    }

    #[test]
    fn no_schedule_gets_more_retries_than_the_budget(
        percent in 0..100_u32, per_second in 0..10_u32, burst in 0..50_u32,
        schedule in vec((any::<bool>(), 0..500_u64), 1..150),
    ) {
        let budget = Budget::new(Allowance { percent, per_second, burst });
        let begin = Instant::now();
        let (mut now, mut requests, mut retries) = (begin, 0_u64, 0_u64);
        // What was granted up to each moment, for every stretch of the schedule and not only its whole.
        let mut history = vec![(begin, 0, 0)];
        for (is_retry, millis) in schedule {
            now += Duration::from_millis(millis);
            if is_retry {
                retries += u64::from(budget.withdraw(now));
            } else {
                budget.deposit(now);
                requests += 1;
            }
            history.push((now, requests, retries));
            for (since, requests_before, retries_before) in &history {
                let seconds = (now - *since).as_secs_f64();
                let share = f64::from(percent) / 100.0 * to_float(requests - requests_before);
                let most = share + seconds * f64::from(per_second) + f64::from(burst);
                prop_assert!(to_float(retries - retries_before) <= most + 1e-6);
            }
        }
        // Of the whole, nothing was saved up but the share of one second.
        let seconds = (now - begin).as_secs_f64() + 1.0;
        let most = f64::from(percent) / 100.0 * to_float(requests) + seconds * f64::from(per_second);
        prop_assert!(to_float(retries) <= most + 1e-6);
    }

    #[test]
    fn a_limit_is_never_under_one_nor_over_its_bound(
        least in 0..10_usize, most in 0..100_usize, first in 0..200_usize, samples in 0..20_u32,
        schedule in vec((any::<bool>(), 0..5_000_u64, 0..300_usize, 0..400_u64), 1..500),
    ) {
        let mut limit = Limit::new(Bounds { least, most, first, samples, ..Bounds::default() });
        let mut now = Instant::now();
        for (dropped, latency, in_flight, millis) in schedule {
            now += Duration::from_millis(millis);
            if dropped {
                limit.dropped(in_flight, now);
            } else {
                limit.completed(Duration::from_millis(latency), in_flight, now);
            }
            let current = limit.current();
            prop_assert!(current >= least.max(1) && current <= most.max(least).max(1), "{}", current);
        }
    }

    #[test]
    fn priorities_are_never_inverted(percent in any::<[u8; 4]>(), in_flight in 0..200_usize, limit in 0..200_usize) {
        let admission = Admission::new(percent.map(usize::from));
        let admitted = Priority::ALL.map(|it| admission.admits(it, in_flight, limit));
        prop_assert!(admitted.is_sorted(), "{:?}", admitted);
        prop_assert!(in_flight == 0 || in_flight < limit || !admitted[3], "beyond the limit nobody is admitted");
    }

    #[test]
    fn a_bulkhead_holds_no_more_than_it_has_room_for(
        places in 1..5_usize, waiting in 0..5_usize, deeds in vec((0..3_u8, 0..100_u64), 1..300),
    ) {
        let room = Room { in_flight: places, waiting, patience: Duration::from_millis(200) };
        let (mut bulkhead, mut now) = (Bulkhead::new(room), Instant::now());
        let (mut under_way, mut queue) = (0, Vec::new());
        for (deed, millis) in deeds {
            now += Duration::from_millis(millis);
            match deed {
                0 => match bulkhead.enter(now, || now) {
                    Entry::Entered => under_way += 1,
                    Entry::Waits(number) => queue.push(number),
                    Entry::Refused => prop_assert_eq!(bulkhead.waiting(), waiting),
                },
                1 if under_way > 0 => match bulkhead.leave(now) {
                    Some(since) => prop_assert!(now - since < room.patience, "nobody is let in after having given up"),
                    None => under_way -= 1,
                },
                _ => {
                    if let Some(number) = queue.pop() {
                        bulkhead.give_up(number);
                    }
                }
            }
            prop_assert!(bulkhead.in_flight() <= places && bulkhead.waiting() <= waiting);
            prop_assert_eq!(bulkhead.in_flight(), under_way);
        }
    }

    #[test]
    fn at_most_half_are_ejected_and_all_return(
        replicas in 1..8_u8, calls in vec((any::<u8>(), call(), 0..2_000_u64, 0..100_u64), 1..500),
    ) {
        let outliers = Outliers::new(Criteria::default());
        outliers.follow(0..replicas);
        let mut now = Instant::now();
        for (replica, call, latency, millis) in calls {
            now += Duration::from_millis(millis);
            let replica = replica % replicas;
            if outliers.admits(&replica, now) {
                outliers.record(&replica, call, Duration::from_millis(latency), now);
            }
            prop_assert!(outliers.left_out(now) <= usize::from(replicas / 2));
        }
        prop_assert_eq!(outliers.left_out(now + Criteria::default().longest), 0);
    }

    #[test]
    fn a_wait_is_within_its_bounds(randoms in vec(0.0..1.0_f64, 1..50), least in 1..100_u64, more in 0..10_000_u64) {
        let backoff = Backoff { least: Duration::from_millis(least), most: Duration::from_millis(least + more) };
        let mut wait = None;
        for random in randoms {
            let next = backoff.after(wait, random);
            let longest = wait.unwrap_or(backoff.least) * 3;
            prop_assert!(next >= backoff.least && next <= backoff.most.min(longest));
            wait = Some(next);
        }
    }

    #[test]
    fn the_pick_is_one_of_two_and_the_less_loaded(loads in vec(0..100_u32, 0..20), a in any::<usize>(), b in any::<usize>()) {
        let mut randoms = [a, b].into_iter();
        let mut chosen = Vec::new();
        let picked = pick(&loads, |below| {
            let it = randoms.next().expect("two are enough") % below;
            chosen.push(it);
            it
        });
        match (loads.len(), picked) {
            (0, picked) => prop_assert_eq!(picked, None),
            (1, picked) => prop_assert_eq!(picked, Some(0)),
            (_, Some(picked)) => {
                let first = chosen[0];
                let second = chosen[1] + usize::from(chosen[1] >= first);
                prop_assert_ne!(first, second);
                prop_assert!(picked == first || picked == second);
                prop_assert_eq!(loads[picked], loads[first].min(loads[second]));
            }
            (_, None) => prop_assert!(false, "one of several is picked"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a short schedule")]
fn to_float(count: u64) -> f64 {
    count as f64
}
