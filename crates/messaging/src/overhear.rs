//! From the broker to every replica, for what each of them keeps in memory.

use std::convert::Infallible;

use chassis::Host;
use tokio_util::sync::CancellationToken;

use super::{Messaging, Subscription};
use crate::broker::Overheard;

impl Messaging {
    /// Tells `handle` of every event of a type that is broadcast from now on, one after the other, and when some may have been
    /// missed. Unlike those in a queue, they come to each replica, and only while it listens.
    pub fn overhear<F, R>(&self, host: &Host, handle: F)
    where
        F: Fn(Overheard) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let subscription = self.subscription.clone();
        host.spawn("broadcast subscription", move |stop| {
            subscription.hear(stop, handle)
        });
    }
}

impl Subscription {
    async fn hear<F, R>(self, stop: CancellationToken, handle: F)
    where
        F: Fn(Overheard) -> R,
        R: Future<Output = ()>,
    {
        let mut overhearing = self.broker.overhear();
        while let Some(heard) = stop.run_until_cancelled(overhearing.next()).await {
            let delivered = match &heard {
                Overheard::Event(event) => self.delivered(event),
                Overheard::Gap => {
                    tracing::info!("subscribed to broadcasts; earlier ones may have been missed");
                    handle(heard).await;
                    continue;
                }
            };
            let work = async {
                handle(heard).await;
                Ok::<_, Infallible>(())
            };
            let Ok(()) = telemetry::process(delivered, work, |never| match *never {}).await;
        }
    }
}
