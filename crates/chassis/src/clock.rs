//! Ids and points in time, made here because databases differ in how they make them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// `prefix`, a dash, and 24 hexadecimal digits: microseconds since 1970 and 32 random bits. Ids of one prefix sort by time.
pub fn new_id(prefix: &str) -> String {
    let micros = since_epoch().as_micros();
    format!("{prefix}-{micros:016x}{:08x}", fastrand::u32(..))
}

/// Milliseconds since 1970, as databases keep them.
pub fn now_ms() -> i64 {
    i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC.
pub fn rfc3339(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    at.ok()
        .and_then(|it| it.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// Milliseconds since 1970, if `text` is a point in time as RFC 3339 writes it.
pub fn from_rfc3339(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_times_read_as_rfc_3339() {
        let (first, second) = (new_id("o"), new_id("o"));
        assert!(first[..18] <= second[..18] && first != second);
        assert_eq!((first.len(), &first[..2]), (26, "o-"));
        assert_eq!(rfc3339(1_795_464_719_250), "2026-11-23T20:11:59.25Z");
        assert_eq!(
            from_rfc3339("2026-11-23T20:11:59.25Z"),
            Some(1_795_464_719_250)
        );
        assert_eq!(from_rfc3339("yesterday"), None);
    }
}
