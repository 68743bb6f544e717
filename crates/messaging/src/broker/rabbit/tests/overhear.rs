//! Listening, while the connection comes and goes.

use super::*;
use crate::broker::{
    Overheard,
    tests::overhear::{changed, listen, next},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: scripts/backends up"]
async fn who_was_cut_off_is_told_that_it_may_have_missed_something() {
    let direct = Place::rabbit();
    let door = door(&direct.url).await;
    let teller = direct.open().await;
    let mut ear = listen(&behind(&door, &direct.url).open().await).await;
    let [before, missed, after] = [changed(), changed(), changed()];
    let tell = async |event: &Event| teller.publish(std::slice::from_ref(event)).await.unwrap();
    tell(&before).await;
    assert_eq!(next(&mut ear).await, Overheard::Event(Box::new(before)));
    door.shut().await;
    tell(&missed).await;
    let nothing = tokio::time::timeout(Duration::from_secs(1), ear.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    door.open().await;
    assert_eq!(next(&mut ear).await, Overheard::Gap);
    tell(&after).await;
    assert_eq!(next(&mut ear).await, Overheard::Event(Box::new(after)));
    direct.clear().await;
}
