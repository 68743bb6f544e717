//! From a queue to the service's handler.

use std::{sync::Arc, time::Duration};

use chassis::{Error, Faults, deadline};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Event, Subscription};
use crate::broker::{Delivery, LEASE, PREFETCH, Settlement};

/// A delivery that has failed this often becomes a dead letter.
const MAX_ATTEMPTS: i64 = 5;
/// The wait after the first failure; each further one is three times as long.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The wait for something that is away.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest a handler may take: its lease must not run out while it works.
const HANDLER_TIMEOUT: Duration = LEASE.saturating_sub(Duration::from_secs(1));
/// How often the queue is looked at while events come, and how far that slows down when none do.
const ACTIVE: Duration = Duration::from_millis(10);
const IDLE: Duration = Duration::from_millis(50);

pub(super) struct Consumer<F> {
    pub(super) subscription: Subscription,
    pub(super) faults: Faults,
    pub(super) handle: F,
}

impl<F, R> Consumer<F>
where
    F: Fn(Event) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Error>> + Send + 'static,
{
    /// Claims and processes until `stop`, then finishes what it holds.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let Subscription {
            broker, service, ..
        } = &self.subscription;
        let (mut working, mut wait, mut left) = (JoinSet::new(), ACTIVE, false);
        loop {
            let stopping = stop.is_cancelled();
            if stopping && !left {
                self.leave().await;
                left = true;
            }
            if stopping && working.is_empty() {
                return;
            }
            let free = usize::from(PREFETCH) - working.len();
            if free > 0 && !stopping {
                wait = match broker.claim(service, free).await {
                    Ok(claimed) if claimed.is_empty() => (wait + wait / 4).clamp(ACTIVE, IDLE),
                    Ok(claimed) => {
                        for delivery in claimed {
                            working.spawn(Arc::clone(&self).process(delivery));
                        }
                        ACTIVE
                    }
                    Err(error) => {
                        tracing::warn!(%error, "queue unavailable; retrying");
                        PAUSE
                    }
                };
            }
            let full = working.len() == usize::from(PREFETCH);
            tokio::select! {
                Some(_) = working.join_next() => (),
                () = broker.wait(service, wait), if !full && !stopping => (),
                () = stop.cancelled(), if !stopping => (),
            }
        }
    }

    /// What has arrived and was not begun is for others.
    async fn leave(&self) {
        let Subscription {
            broker, service, ..
        } = &self.subscription;
        if let Err(error) = broker.leave(service).await {
            tracing::warn!(%error, "unstarted deliveries not returned; they reappear after their lease");
        }
    }

    async fn process(self: Arc<Self>, delivery: Delivery) {
        let settlement = match serde_json::from_str::<Event>(&delivery.body) {
            // Whoever tried it before did not live to tell.
            _ if delivery.attempt > MAX_ATTEMPTS => Settlement::Dead("crash"),
            Ok(event) => {
                self.subscription.under_way.begin(&event);
                self.handle(event, delivery.attempt).await
            }
            Err(error) => {
                tracing::error!(event_id = delivery.event_id, %error, "event malformed");
                failed(delivery.attempt, "unreadable")
            }
        };
        if let Settlement::Dead(reason) = settlement {
            tracing::error!(
                event_id = delivery.event_id,
                reason,
                "event moved to the dead letters"
            );
        }
        let under_way = &self.subscription.under_way;
        under_way.end(&delivery.event_id, settlement);
        // Unsettled, it comes again when its lease has run out, and the inbox knows it.
        if let Err(error) = self.subscription.broker.settle(&delivery, settlement).await {
            tracing::warn!(event_id = delivery.event_id, %error, "delivery not acknowledged; it will be delivered again");
        }
    }

    async fn handle(self: &Arc<Self>, event: Event, attempt: i64) -> Settlement {
        let delivered = self.subscription.delivered(&event);
        let work = async {
            self.faults.strike(&event.kind).await?;
            (self.handle)(event).await
        };
        let bounded = async {
            let until = Instant::now() + HANDLER_TIMEOUT;
            let ended = deadline::within(until, work).await;
            ended.unwrap_or(Err(Error::Timeout))
        };
        match telemetry::process(delivered, bounded, Error::kind).await {
            Ok(()) => Settlement::Done,
            Err(Error::Unavailable(what)) => {
                tracing::warn!(what, "event postponed: dependency unavailable");
                Settlement::Postpone(PAUSE)
            }
            Err(error) => {
                error.log();
                failed(attempt, error.kind())
            }
        }
    }
}

fn failed(attempt: i64, reason: &'static str) -> Settlement {
    match u32::try_from(attempt) {
        Ok(attempt) if i64::from(attempt) < MAX_ATTEMPTS => {
            Settlement::Retry(BACK_OFF * 3_u32.pow(attempt.saturating_sub(1)))
        }
        _ => Settlement::Dead(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_tried_five_times_over_some_seconds() {
        let waits: Vec<_> = (1..=5).map(|attempt| failed(attempt, "broken")).collect();
        let millis = [100, 300, 900, 2700].map(|it| Settlement::Retry(Duration::from_millis(it)));
        assert_eq!(waits[..4], millis);
        assert_eq!(waits[4], Settlement::Dead("broken"));
    }
}
