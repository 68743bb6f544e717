//! What the version before has left out of orders is filled in, so that the next one need not ask for it any more: the second step of
//! expand, migrate, contract (docs/compatibility.md). It goes with the third.

use std::time::Duration;

use api::Currency;
use chassis::Error;
use database::{query, round, unobserved};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::Store;

/// Orders filled in by one transaction: in a file nobody can write meanwhile.
const BATCH: i64 = 500;
/// Others write between two batches.
const BETWEEN: Duration = Duration::from_millis(100);
/// How often it is looked again: replicas of the version before leave it out until the last of them has gone. No index helps, so that
/// the whole table is read.
const AGAIN: Duration = Duration::from_mins(1);

impl Store {
    /// Fills in currencies until `stop`. Replicas may all do it.
    pub(crate) async fn backfill(self, stop: CancellationToken) {
        loop {
            let filled = match round(self.fill_currencies()).await {
                Ok(0) => false,
                Ok(count) => {
                    tracing::info!(count, "orders of the version before were completed");
                    true
                }
                Err(error) => {
                    tracing::warn!(%error, "orders of the version before were not completed this time");
                    false
                }
            };
            let pause = if filled { BETWEEN } else { AGAIN };
            tokio::select! {
                () = sleep(pause) => (),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Gives some orders that have none their currency, and says how many.
    async fn fill_currencies(&self) -> Result<u64, Error> {
        let some: bool = unobserved("SELECT EXISTS (SELECT 1 FROM orders WHERE currency IS NULL)")
            .fetch_value(self.database.readers())
            .await?;
        if !some {
            return Ok(0);
        }
        let mut transaction = self.database.write().await?;
        // One replica after the other, so that none waits for rows of another that waits for its.
        transaction.lock("currency backfill").await?;
        let fill = "UPDATE orders SET currency = $1 WHERE id IN
             (SELECT id FROM orders WHERE currency IS NULL ORDER BY id LIMIT $2)";
        let filled = query(fill)
            .bind(Currency::default().as_str())
            .bind(BATCH)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(filled)
    }
}

#[cfg(test)]
mod tests;
