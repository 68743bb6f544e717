//! Deadlines, handed from caller to callee so that nobody works on an answer that nobody waits for.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// Milliseconds the caller will still wait. A duration and not a point in time, because clocks differ.
pub(crate) const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
/// The same for gRPC (gRPC over HTTP/2, "Timeout").
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

tokio::task_local! {
    /// When the current request must be answered.
    static DEADLINE: Instant;
}

/// Runs `future` with a deadline that [`remaining`] sees.
pub async fn within<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    tokio::time::timeout_at(deadline, DEADLINE.scope(deadline, future))
        .await
        .ok()
}

/// How long the current request may still take, at most `limit`.
pub fn remaining(limit: Duration) -> Duration {
    DEADLINE
        .try_with(|it| it.saturating_duration_since(Instant::now()))
        .map_or(limit, |left| left.min(limit))
}

/// What the caller allows, if it said so understandably.
pub(crate) fn allowed(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|it: &HeaderValue| it.to_str().ok())
    };
    match text(TIMEOUT_MS) {
        Some(millis) => millis.parse().ok().map(Duration::from_millis),
        None => text(GRPC_TIMEOUT).and_then(grpc_timeout),
    }
}

/// At most eight digits and a unit.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Tells the callee how long we will wait.
pub fn announce(headers: &mut HeaderMap, wait: Duration, grpc: bool) {
    let millis = u64::try_from(wait.as_millis())
        .unwrap_or(u64::MAX)
        .min(99_999_999);
    if grpc {
        let value = HeaderValue::try_from(format!("{millis}m")).expect("digits and a letter");
        headers.insert(GRPC_TIMEOUT, value);
    } else {
        headers.insert(TIMEOUT_MS, millis.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_timeout_is_read_as_the_protocol_says() {
        assert_eq!(grpc_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(grpc_timeout("1S"), Some(Duration::from_secs(1)));
        for bad in ["", "m", "12", "123456789m", "-1S", "1s", "1é"] {
            assert_eq!(grpc_timeout(bad), None, "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_shrinks_and_never_exceeds_the_limit() {
        let limit = Duration::from_secs(1);
        assert_eq!(remaining(limit), limit);
        let deadline = Instant::now() + Duration::from_secs(2);
        let left = within(deadline, async {
            tokio::time::advance(Duration::from_millis(1_500)).await;
            remaining(limit)
        });
        assert_eq!(left.await, Some(Duration::from_millis(500)));
    }

    #[test]
    fn what_we_announce_is_what_the_callee_reads() {
        for grpc in [false, true] {
            let mut headers = HeaderMap::new();
            announce(&mut headers, Duration::from_millis(850), grpc);
            assert_eq!(allowed(&headers), Some(Duration::from_millis(850)));
        }
    }
}
