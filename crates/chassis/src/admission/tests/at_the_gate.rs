//! Who begins, who waits and who is refused, and that no place is ever lost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::response::Response;
use futures_util::FutureExt as _;
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};

use super::{PATIENCE, fixed, settle};
use crate::admission::{Class, Classes, Concurrency, Gate, Reason, elsewhere};

const FAR: Duration = Duration::from_mins(1);

fn gate(settings: &Concurrency) -> Gate {
    Gate::new(settings, Classes::default()).unwrap()
}

/// Asks for a place, which is kept for so long, and says how that ended.
fn ask(gate: &Gate, class: Class, keep: Duration) -> JoinHandle<Result<(), Reason>> {
    let gate = gate.clone();
    tokio::spawn(async move {
        let place = gate.enter(class, Instant::now() + FAR).await?;
        sleep(keep).await;
        drop(place);
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn a_free_place_goes_to_the_most_important_who_waits_and_then_to_the_first() {
    let gate = gate(&fixed(1, 8));
    let first = gate.enter(Class::Rest, Instant::now() + FAR).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, class) in [
        ("rest", Class::Rest),
        ("search", Class::Search),
        ("checkout 1", Class::Checkout),
        ("browse", Class::Browse),
        ("checkout 2", Class::Checkout),
    ] {
        let (gate, order) = (gate.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let place = gate.enter(class, Instant::now() + FAR).await.unwrap();
            order.lock().unwrap().push(name);
            sleep(Duration::from_millis(5)).await;
            drop(place);
        }));
        settle().await;
    }
    drop(first);
    for task in tasks {
        task.await.unwrap();
    }
    let expected = ["checkout 1", "checkout 2", "browse", "search", "rest"];
    assert_eq!(*order.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn without_room_to_wait_the_least_important_who_came_last_is_refused() {
    let gate = gate(&fixed(1, 2));
    let long = Duration::from_millis(40);
    let held = ask(&gate, Class::Rest, long);
    settle().await;
    let rest = ask(&gate, Class::Rest, Duration::ZERO);
    settle().await;
    let search = ask(&gate, Class::Search, Duration::ZERO);
    settle().await;
    let more = ask(&gate, Class::Rest, Duration::ZERO).await.unwrap();
    assert_eq!(more, Err(Reason::Full), "nobody is less important");
    let checkout = ask(&gate, Class::Checkout, Duration::ZERO);
    assert_eq!(rest.await.unwrap(), Err(Reason::Full), "it made room");
    for served in [held, search, checkout] {
        assert_eq!(served.await.unwrap(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_may_wait_and_a_queue_that_stands_may_not() {
    let gate = gate(&fixed(1, 64));
    let _held = gate
        .enter(Class::Browse, Instant::now() + FAR)
        .await
        .unwrap();
    let waits = async |class| {
        let asked = Instant::now();
        let refused = ask(&gate, class, Duration::ZERO).await.unwrap();
        assert_eq!(refused, Err(Reason::Waited));
        asked.elapsed()
    };
    for _ in 0..2 {
        assert_eq!(waits(Class::Browse).await, PATIENCE);
        sleep(PATIENCE).await;
    }
    // From now on there is always somebody.
    for _ in 0..30 {
        drop(ask(&gate, Class::Browse, Duration::ZERO));
        sleep(PATIENCE / 20).await;
    }
    assert_eq!(waits(Class::Browse).await, PATIENCE / 10);
    assert_eq!(
        waits(Class::Checkout).await,
        PATIENCE,
        "nobody of these stood there"
    );
}

#[tokio::test(start_paused = true)]
async fn under_steady_overload_hardly_anybody_waits_in_vain_for_long() {
    let gate = gate(&fixed(1, 64));
    let mut random = fastrand::Rng::with_seed(7);
    let (mut long, mut refused) = (0, 0);
    let mut asked = Vec::new();
    // Three a service time on average, so that now and then nobody waits.
    for _ in 0..3_000 {
        let gate = gate.clone();
        asked.push(tokio::spawn(async move {
            let began = Instant::now();
            let entered = ask(&gate, Class::Browse, PATIENCE / 10).await.unwrap();
            entered.is_err().then(|| began.elapsed())
        }));
        sleep(PATIENCE.mul_f64(-random.f64().ln() / 30.0)).await;
    }
    for it in asked {
        if let Some(waited) = it.await.unwrap() {
            refused += 1;
            long += u32::from(waited > PATIENCE / 2);
        }
    }
    assert!(refused > 1_500, "{refused}");
    assert!(long * 20 < refused, "{long} of {refused}");
}

#[tokio::test(start_paused = true)]
async fn each_class_has_room_only_for_its_share() {
    let gate = gate(&fixed(20, 0));
    let enter = |class| gate.enter(class, Instant::now() + FAR).now_or_never();
    let mut places = Vec::new();
    let mut room = |class| {
        while let Some(Ok(place)) = enter(class) {
            places.push(place);
        }
        places.len()
    };
    let rooms = Class::ALL.map(|it| it).into_iter().rev().map(&mut room);
    assert_eq!(rooms.collect::<Vec<_>>(), [10, 15, 18, 20]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_answered_in_time_is_not_begun_unless_alone() {
    let gate = gate(&Concurrency::default());
    let enter = |time| gate.enter(Class::Browse, Instant::now() + time);
    let takes = Duration::from_millis(100);
    let serve = async |takes: Duration, times: u32| {
        for _ in 0..times {
            let place = enter(FAR).await.unwrap();
            let answer = async {
                sleep(takes).await;
                Response::default()
            };
            place.serve(answer).await;
        }
    };
    serve(takes, 20).await;
    let alone = enter(takes / 2).await.unwrap();
    assert_eq!(enter(takes / 2).await.err(), Some(Reason::TooLate));
    assert!(enter(takes * 2).await.is_ok());
    drop(alone);
    // Those who are let in alone show that it has become faster.
    serve(takes / 10, 20).await;
    let _alone = enter(takes / 2).await.unwrap();
    assert!(enter(takes / 2).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn shedding_is_over_when_nobody_was_refused_for_a_while() {
    let gate = gate(&fixed(1, 0));
    let _held = gate.enter(Class::Browse, Instant::now() + FAR).await;
    let refuse = || ask(&gate, Class::Browse, Duration::ZERO);
    assert_eq!(refuse().await.unwrap(), Err(Reason::Full));
    sleep(Duration::from_secs(4)).await;
    assert_eq!(refuse().await.unwrap(), Err(Reason::Full));
    sleep(Duration::from_secs(4)).await;
    assert!(gate.lock().shedding.is_some(), "it was 4 s ago");
    sleep(Duration::from_secs(2)).await;
    assert!(gate.lock().shedding.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_would_come_too_late_is_not_waited_for() {
    let gate = gate(&fixed(1, 8));
    let _held = gate
        .enter(Class::Browse, Instant::now() + FAR)
        .await
        .unwrap();
    let deadline = Instant::now() + PATIENCE / 2;
    let refused = gate.enter(Class::Browse, deadline).await;
    assert_eq!(refused.err(), Some(Reason::TooLate));
    assert_eq!(Instant::now(), deadline);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_service_holds_no_place_and_that_time_is_not_its_own() {
    let gate = gate(&fixed(1, 8));
    let first = gate
        .enter(Class::Browse, Instant::now() + FAR)
        .await
        .unwrap();
    let calls = tokio::spawn(first.serve(async {
        // Two calls at once are one absence.
        tokio::join!(
            elsewhere(sleep(Duration::from_secs(1))),
            elsewhere(sleep(Duration::from_secs(2))),
        );
        Response::default()
    }));
    settle().await;
    let second = ask(&gate, Class::Browse, Duration::from_millis(10));
    assert_eq!(second.await.unwrap(), Ok(()));
    sleep(Duration::from_millis(2_500)).await;
    calls.await.unwrap();
    assert_eq!(gate.in_flight(), 0);
    elsewhere(std::future::ready(())).await; // outside of a request
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_leaves_no_place_behind() {
    let gate = gate(&fixed(2, 8));
    let serve = |gate: Gate| async move {
        let place = gate
            .enter(Class::Browse, Instant::now() + FAR)
            .await
            .unwrap();
        place
            .serve(async {
                elsewhere(sleep(FAR)).await;
                Response::default()
            })
            .await
    };
    let absent = tokio::spawn(serve(gate.clone()));
    settle().await;
    let held = [(); 2].map(|()| ask(&gate, Class::Browse, FAR));
    settle().await;
    let waiting = ask(&gate, Class::Browse, FAR);
    settle().await;
    assert_eq!((gate.in_flight(), gate.waiting()), (2, 1));
    waiting.abort();
    absent.abort();
    settle().await;
    assert_eq!((gate.in_flight(), gate.waiting()), (2, 0));
    for it in held {
        it.abort();
    }
    settle().await;
    assert_eq!(gate.in_flight(), 0);
}

/// Whatever happens: no more begin than the limit allows, nobody begins before somebody more important who waits, and in the end
/// all places are free.
#[tokio::test(start_paused = true)]
async fn in_any_order_of_events_no_place_is_lost_and_no_priority_inverted() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let gate = gate(&fixed(1 + random.usize(..6), random.usize(..12)));
        let mut tasks = Vec::new();
        for _ in 0..300 {
            match random.u8(..10) {
                0..6 => {
                    let class = Class::ALL[random.usize(..4)];
                    let keep = Duration::from_millis(random.u64(..30));
                    tasks.push(ask(&gate, class, keep));
                }
                6 if !tasks.is_empty() => tasks.swap_remove(random.usize(..tasks.len())).abort(),
                _ => sleep(Duration::from_millis(random.u64(..10))).await,
            }
            yield_now().await;
            gate.check();
        }
        sleep(FAR).await;
        assert_eq!((gate.in_flight(), gate.waiting()), (0, 0), "seed {seed}");
    }
}
