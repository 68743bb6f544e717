//! Deadlines, handed from caller to callee so that nobody works on an answer that nobody waits for.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::Error;

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

/// What the caller allows, if it says so.
///
/// # Errors
/// [`Error::Invalid`] where it says so more than once, not understandably, or leaves no time at all.
pub(crate) fn allowed(headers: &HeaderMap, grpc: bool) -> Result<Option<Duration>, Error> {
    let name = if grpc { GRPC_TIMEOUT } else { TIMEOUT_MS };
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let wait = text.and_then(if grpc { grpc_timeout } else { millis });
    match wait {
        Some(wait) if !wait.is_zero() => Ok(Some(wait)),
        _ => Err(Error::Invalid(format!("{name} is one duration above 0"))),
    }
}

/// Digits alone. More of them than fit are longer than anyone waits.
fn millis(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    digits.then(|| Duration::from_millis(text.parse().unwrap_or(u64::MAX)))
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
        .clamp(1, 99_999_999);
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
            let read = allowed(&headers, grpc).unwrap();
            assert_eq!(read, Some(Duration::from_millis(850)));
            announce(&mut headers, Duration::from_micros(1), grpc);
            let read = allowed(&headers, grpc).unwrap();
            assert_eq!(read, Some(Duration::from_millis(1)), "and never 0");
        }
    }

    #[test]
    fn a_time_that_is_none_is_the_callers_mistake_and_that_of_another_protocol_is_no_time() {
        let read = |name: HeaderName, values: &[&str], grpc| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, HeaderValue::try_from(*value).unwrap());
            }
            allowed(&headers, grpc)
        };
        for values in [
            &["0"][..],
            &["000"],
            &[""],
            &["-1"],
            &["+1"],
            &["1.5"],
            &["1e3"],
            &["1s"],
            &["5", "5"],
        ] {
            let read = read(TIMEOUT_MS, values, false);
            assert!(matches!(read, Err(Error::Invalid(_))), "{values:?}");
        }
        for values in [&["0m"][..], &["0n"], &["5"], &["1s"], &["1S", "1S"]] {
            let read = read(GRPC_TIMEOUT, values, true);
            assert!(matches!(read, Err(Error::Invalid(_))), "{values:?}");
        }
        let ages = read(TIMEOUT_MS, &["99999999999999999999999"], false);
        assert_eq!(ages.unwrap(), Some(Duration::from_millis(u64::MAX)));
        assert!(matches!(read(GRPC_TIMEOUT, &["1n"], false), Ok(None)));
        assert!(matches!(read(TIMEOUT_MS, &["0"], true), Ok(None)));
    }
}
