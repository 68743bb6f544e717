//! Points in time in YAML: RFC 3339, as in Kubernetes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serializer, de, ser};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A time that is not set: the first second of year 1, before everything. That is what a time that is missing in Kubernetes' API is to
/// its controllers.
pub fn unset() -> SystemTime {
    let before = Duration::from_hours(24 * 719_162);
    UNIX_EPOCH.checked_sub(before).unwrap_or(UNIX_EPOCH)
}

/// `time + seconds`, which may be negative; the nearest time there is where that is beyond it.
pub(crate) fn offset(time: SystemTime, seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        time.checked_sub(distance).unwrap_or_else(unset)
    } else {
        time.checked_add(distance).unwrap_or(time)
    }
}

/// Whether `start + duration` is after `end`.
pub(crate) fn outlasts(start: SystemTime, duration: Duration, end: SystemTime) -> bool {
    start.checked_add(duration).is_none_or(|it| it > end)
}

pub(crate) fn serialize<S: Serializer>(
    time: &SystemTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = OffsetDateTime::from(*time).format(&Rfc3339);
    serializer.serialize_str(&text.map_err(ser::Error::custom)?)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = OffsetDateTime::parse(&text, &Rfc3339);
    Ok(time
        .map_err(|error| de::Error::custom(format!("`{text}`: {error}")))?
        .into())
}

/// For times that may be missing.
pub(crate) mod option {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "what serde calls it with")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        #[derive(Deserialize)]
        struct Present(#[serde(with = "super")] SystemTime);
        Ok(Option::<Present>::deserialize(deserializer)?.map(|it| it.0))
    }
}

/// For durations in whole seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}
