//! Waiting for what comes true sooner or later.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What has not come true by then never does.
const DEADLINE: Duration = Duration::from_mins(1);
/// How often to look.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `check` holds and says how long that took. A test to which the time matters judges that.
///
/// # Panics
/// When it does not hold within a minute.
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !check().await {
        assert!(start.elapsed() < DEADLINE, "never came true: {what}");
        sleep(POLL).await;
    }
    start.elapsed()
}
