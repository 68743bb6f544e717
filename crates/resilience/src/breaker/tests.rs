use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn finish(breaker: &Breaker, call: Call, now: Instant) -> Option<State> {
    breaker.admit(now).expect("admitted").finish(call, now)
}

#[test]
fn half_of_twenty_calls_open_it_and_three_probes_close_it() {
    let (breaker, now) = (Breaker::new(Settings::default()), Instant::now());
    for _ in 0..10 {
        assert_eq!(finish(&breaker, Call::Succeeded, now), None);
    }
    for _ in 0..9 {
        assert_eq!(
            finish(&breaker, Call::Failed, now),
            None,
            "of nineteen calls nothing is concluded"
        );
    }
    assert_eq!(finish(&breaker, Call::Failed, now), Some(State::Open));
    assert!(breaker.admit(now).is_none());
    assert_eq!(breaker.left_alone_for(now), SECOND);

    let later = now + SECOND;
    let probes: Vec<_> = (0..3)
        .map(|_| breaker.admit(later).expect("a probe"))
        .collect();
    assert!(probes.iter().all(Permit::is_probe));
    assert!(
        breaker.admit(later).is_none(),
        "the others wait for how they fare"
    );
    let changes: Vec<_> = probes
        .into_iter()
        .map(|it| it.finish(Call::Succeeded, later))
        .collect();
    assert_eq!(changes, [None, None, Some(State::Closed)]);
}

#[test]
fn one_bad_replica_of_three_does_not_open_it() {
    let (breaker, mut now) = (Breaker::new(Settings::default()), Instant::now());
    for at in 0..3_000 {
        now += Duration::from_millis(10);
        let call = if at % 3 == 0 {
            Call::Failed
        } else {
            Call::Succeeded
        };
        assert_eq!(finish(&breaker, call, now), None);
    }
}

#[test]
fn a_failed_probe_opens_it_again() {
    let (breaker, now) = (opened(), Instant::now() + SECOND);
    let (first, second) = (
        breaker.admit(now).expect("a probe"),
        breaker.admit(now).expect("another"),
    );
    assert_eq!(first.finish(Call::Failed, now), Some(State::Open));
    assert_eq!(
        second.finish(Call::Succeeded, now),
        None,
        "it began before the breaker opened again"
    );
    assert!(breaker.admit(now).is_none());
}

#[test]
fn what_says_nothing_of_its_health_does_not_count() {
    let (breaker, now) = (Breaker::new(Settings::default()), Instant::now());
    for _ in 0..100 {
        assert_eq!(finish(&breaker, Call::Ignored, now), None);
    }
    let breaker = opened();
    let later = now + 2 * SECOND;
    for _ in 0..10 {
        drop(
            breaker
                .admit(later)
                .expect("a probe that was given up makes room for another"),
        );
    }
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[test]
fn slow_calls_count_as_failed() {
    let (breaker, now) = (Breaker::new(Settings::default()), Instant::now());
    let slow = |_| {
        breaker
            .admit(now)
            .expect("admitted")
            .finish(Call::Succeeded, now + 5 * SECOND)
    };
    assert_eq!((0..20).filter_map(slow).collect::<Vec<_>>(), [State::Open]);
}

#[test]
fn failures_in_a_row_open_it_where_calls_are_few() {
    let settings = Settings {
        opens: Opens::InARow(5),
        probes: 1,
        ..Settings::default()
    };
    let (breaker, mut now) = (Breaker::new(settings), Instant::now());
    for call in [
        Call::Failed,
        Call::Failed,
        Call::Succeeded,
        Call::Failed,
        Call::Failed,
        Call::Failed,
        Call::Failed,
    ] {
        now += 60 * SECOND;
        assert_eq!(finish(&breaker, call, now), None);
    }
    assert_eq!(finish(&breaker, Call::Failed, now), Some(State::Open));
    now += SECOND;
    assert_eq!(finish(&breaker, Call::Succeeded, now), Some(State::Closed));
}

/// One that has just been opened.
fn opened() -> Breaker {
    let (breaker, now) = (Breaker::new(Settings::default()), Instant::now());
    for _ in 0..20 {
        finish(&breaker, Call::Failed, now);
    }
    assert_eq!(breaker.state(), State::Open);
    breaker
}
