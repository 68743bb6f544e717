//! The gate, and a service behind it.

mod at_the_gate;
mod served;

use std::{num::NonZeroUsize, time::Duration};

use tokio::task::yield_now;

use super::{Allowed, Concurrency};

const PATIENCE: Duration = Duration::from_millis(50);

/// So many at once, and so many who wait.
fn fixed(limit: usize, waiting: usize) -> Concurrency {
    Concurrency {
        limit: Allowed::Fixed(NonZeroUsize::new(limit).unwrap()),
        waiting,
        patience: PATIENCE,
        ..Concurrency::default()
    }
}

/// Lets everybody else run until they wait.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}
