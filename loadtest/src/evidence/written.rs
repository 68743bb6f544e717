//! What the lines of all kinds have in common.

use std::time::SystemTime;

use serde::{Deserialize, Deserializer, de::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What every line says of who wrote it and how bad it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Written {
    /// `service.name`.
    #[serde(rename = "service.name", default)]
    pub service: String,
    /// `service.node.name`, which the process's spans have as `service.instance.id`.
    #[serde(rename = "service.node.name", default)]
    pub node: String,
    /// `log.level`.
    #[serde(rename = "log.level", default)]
    pub level: String,
}

/// Reads RFC 3339.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)?;
    Ok(time.into())
}
