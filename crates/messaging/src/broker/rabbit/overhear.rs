//! What all processes may overhear: each has a queue of its own for as long as it is connected.

use std::time::Duration;

use chassis::Error;
use tokio::time::sleep;

use super::{Queues, feed::Feed};
use crate::broker::{OVERHEARD_AHEAD, Overheard, PAUSE};

/// How often to look whether the connection is still there, should nobody say that it has ended.
const LIFE_CHECK: Duration = Duration::from_secs(1);

/// Who listens.
pub(crate) struct Overhearing {
    queues: Queues,
    feed: Option<Box<Feed>>,
}

impl std::fmt::Debug for Overhearing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Overhearing").field(&self.queues).finish()
    }
}

impl Queues {
    pub(in crate::broker) fn overhear(&self) -> Overhearing {
        Overhearing {
            queues: self.clone(),
            feed: None,
        }
    }

    async fn listen(&self) -> Result<Feed, Error> {
        let lane = self.0.inward.lane().await?;
        let feed = Feed::overhear(&lane, &self.0.names).await;
        if feed.is_err() {
            // The exchange may be gone: a new connection makes it again.
            self.0
                .inward
                .discard(&lane, "broadcast consumer ended")
                .await;
        }
        feed
    }
}

impl Overhearing {
    pub(in crate::broker) async fn next(&mut self) -> Overheard {
        loop {
            if let Some(feed) = &mut self.feed {
                if feed.fill() > OVERHEARD_AHEAD {
                    feed.forget();
                    return Overheard::Gap;
                }
                if let Some(delivery) = feed.pop() {
                    return Overheard::read(&delivery.data);
                }
                if feed.lives() {
                    feed.wait(LIFE_CHECK).await;
                    continue;
                }
                self.feed = None;
            }
            match self.queues.listen().await {
                Ok(feed) => {
                    self.feed = Some(Box::new(feed));
                    return Overheard::Gap;
                }
                // Said where it was found out.
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}
