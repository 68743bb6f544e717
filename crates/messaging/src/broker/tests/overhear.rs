//! What all processes may overhear.

use super::*;

on_every_broker! {
    every_process_overhears_all_that_is_for_all_and_nothing_else
    what_was_told_before_is_not_overheard
    who_is_far_behind_is_told_so_and_goes_on_from_the_end
}

/// Far longer than anything takes.
const LIMIT: Duration = Duration::from_secs(20);

pub(in crate::broker) fn changed() -> Event {
    event("product.changed")
}

pub(in crate::broker) async fn next(overhearing: &mut Overhearing) -> Overheard {
    let next = tokio::time::timeout(LIMIT, overhearing.next()).await;
    next.expect("something is overheard")
}

/// Someone who listens already.
pub(in crate::broker) async fn listen(broker: &Broker) -> Overhearing {
    let mut it = broker.overhear();
    assert_eq!(next(&mut it).await, Overheard::Gap, "it begins");
    it
}

fn heard(event: &Event) -> Overheard {
    Overheard::Event(Box::new(event.clone()))
}

async fn every_process_overhears_all_that_is_for_all_and_nothing_else(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    let mut ears = [
        listen(&one).await,
        listen(&other).await,
        listen(&other).await,
    ];
    let events = [changed(), cancelled(), changed(), changed()];
    one.publish(&events[..3]).await.unwrap();
    other.publish(&events[3..]).await.unwrap();
    for ear in &mut ears {
        for event in [&events[0], &events[2], &events[3]] {
            assert_eq!(next(ear).await, heard(event));
        }
    }
    // The queues have them all the same.
    let deliveries = claim_all(&[&one], "search", 3).await;
    for (_, delivery) in &deliveries {
        one.settle(delivery, Settlement::Done).await.unwrap();
    }
}

async fn what_was_told_before_is_not_overheard(place: &Place) {
    let broker = place.open().await;
    broker.publish(&[changed()]).await.unwrap();
    let mut ear = listen(&broker).await;
    let second = changed();
    broker.publish(std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(next(&mut ear).await, heard(&second));
}

async fn who_is_far_behind_is_told_so_and_goes_on_from_the_end(place: &Place) {
    let broker = place.open().await;
    let mut ear = listen(&broker).await;
    let events: Vec<_> = (0..3 * OVERHEARD_AHEAD).map(|_| changed()).collect();
    broker.publish(&events).await.unwrap();
    let last = changed();
    let (mut heard, mut gaps) = (0, 0);
    // Who neither hears all nor is told so waits here in vain; a server that pushes slowly is kept up with.
    loop {
        match next(&mut ear).await {
            Overheard::Event(event) if event.id == last.id => break,
            Overheard::Event(_) => heard += 1,
            Overheard::Gap => gaps += 1,
        }
        // What comes after all of them, and again after each gap, in which it may have been.
        if gaps > 0 || heard == events.len() {
            broker.publish(std::slice::from_ref(&last)).await.unwrap();
        }
    }
    if let Broker::Sqlite(_) = broker {
        assert_eq!((heard, gaps), (0, 1), "it is cheaper to begin anew");
    }
}

#[test]
fn an_event_that_cannot_be_read_may_have_been_anything() {
    assert_eq!(Overheard::read(b"{}"), Overheard::Gap);
    let event = changed();
    let body = serde_json::to_vec(&event).unwrap();
    assert_eq!(Overheard::read(&body), heard(&event));
}
