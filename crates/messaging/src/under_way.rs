//! Events that this process has begun and that are not done: how old they are.
//!
//! Brokers do not tell how old the oldest event in a queue is. Events come about in the order in which they happened, so the oldest that was
//! begun and is not done is as good an answer, whatever the broker. One that is to come again later counts until then, and a while longer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chassis::{from_rfc3339, now_ms};
use tokio::time::Instant;

use crate::{Event, broker::Settlement};

/// An event that should have come again by then was taken by another process.
const PATIENCE: Duration = Duration::from_secs(5);

/// When an event happened, in milliseconds since 1970, and how long it is still known.
type Entry = (i64, Option<Instant>);

/// What is under way; cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<HashMap<String, Entry>>>);

impl UnderWay {
    /// Work on `event` begins.
    pub(crate) fn begin(&self, event: &Event) {
        // Without a time nobody can tell how old it is.
        if let Some(happened) = from_rfc3339(&event.time) {
            self.known().insert(event.id.clone(), (happened, None));
        }
    }

    /// Work on it ended so.
    pub(crate) fn end(&self, event_id: &str, settlement: Settlement) {
        let mut known = self.known();
        match settlement {
            Settlement::Done | Settlement::Dead(_) => _ = known.remove(event_id),
            Settlement::Retry(wait) | Settlement::Postpone(wait) => {
                if let Some(entry) = known.get_mut(event_id) {
                    entry.1 = Some(Instant::now() + wait + PATIENCE);
                }
            }
        }
    }

    /// How long ago the oldest of them happened; no time if there is none.
    pub(crate) fn oldest(&self) -> Duration {
        self.ages().into_iter().max().unwrap_or_default()
    }

    /// How many happened longer ago than `limit`.
    pub(crate) fn older_than(&self, limit: Duration) -> usize {
        self.ages().into_iter().filter(|it| *it > limit).count()
    }

    fn ages(&self) -> Vec<Duration> {
        let (now, at) = (Instant::now(), now_ms());
        let mut known = self.known();
        known.retain(|_, (_, until)| until.is_none_or(|it| now < it));
        // Clocks of two machines may differ.
        let age = |happened: i64| u64::try_from(at - happened).unwrap_or_default();
        let ages = known.values().map(|it| Duration::from_millis(age(it.0)));
        ages.collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chassis::rfc3339;
    use serde_json::json;
    use telemetry::Origin;

    use super::*;

    fn event(id: &str, seconds_ago: i64) -> Event {
        let fact = json!({ "type": "order.placed", "data": {} });
        let mut event = Event::new("orders", "o-1", Origin::default(), fact).unwrap();
        event.id = id.to_owned();
        event.time = rfc3339(now_ms() - seconds_ago * 1000);
        event
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_counts_until_it_is_done() {
        let under_way = UnderWay::default();
        assert_eq!(under_way.oldest(), Duration::ZERO);
        under_way.begin(&event("old", 60));
        under_way.begin(&event("young", 2));
        let oldest = under_way.oldest().as_secs();
        assert!((60..70).contains(&oldest), "{oldest}");
        assert_eq!(under_way.older_than(Duration::from_secs(30)), 1);
        under_way.end("old", Settlement::Done);
        assert!(under_way.oldest() < Duration::from_secs(30));
        under_way.end("young", Settlement::Dead("broken"));
        assert_eq!(under_way.oldest(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_again_later_counts_until_then_and_not_for_ever() {
        let under_way = UnderWay::default();
        under_way.begin(&event("old", 60));
        let wait = Duration::from_secs(3);
        under_way.end("old", Settlement::Postpone(wait));
        tokio::time::advance(wait + PATIENCE / 2).await;
        assert_eq!(under_way.older_than(Duration::from_secs(30)), 1);
        under_way.begin(&event("old", 60));
        tokio::time::advance(PATIENCE * 9).await;
        assert_eq!(
            under_way.older_than(Duration::from_secs(30)),
            1,
            "begun again"
        );
        under_way.end("old", Settlement::Retry(wait));
        tokio::time::advance(wait + PATIENCE).await;
        assert_eq!(
            under_way.older_than(Duration::ZERO),
            0,
            "somebody else has it"
        );
    }

    #[tokio::test]
    async fn an_event_without_a_time_is_of_no_age() {
        let under_way = UnderWay::default();
        let mut event = event("timeless", 0);
        event.time = "yesterday".to_owned();
        under_way.begin(&event);
        assert_eq!(under_way.older_than(Duration::ZERO), 0);
    }
}
