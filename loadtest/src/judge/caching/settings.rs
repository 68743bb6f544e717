//! How a cache is set, for theory and limits.

use std::time::Duration;

use super::theory;

/// How the catalogue's caches are set in an arm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How long a value is fresh, less up to a tenth.
    pub(crate) ttl: Duration,
    /// How long after `ttl` it may be served while it is loaded anew.
    pub(crate) stale: Duration,
    /// How long a load takes, where it is slow on purpose.
    pub(crate) origin: Duration,
    /// Of the catalogue, each with a memory of its own.
    pub(crate) replicas: u32,
    /// How many products are asked for.
    pub(crate) products: u32,
}

impl Settings {
    /// The shortest time for which a value is fresh: lives are shorter by up to a tenth, so that what was loaded together does not
    /// expire together.
    pub(super) fn shortest(&self) -> Duration {
        self.ttl.mul_f64(1.0 - theory::JITTER)
    }
}
