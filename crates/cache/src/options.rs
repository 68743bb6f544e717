//! Where a cache is, how long and how much it holds, and which of its protections are on.

use std::time::Duration;

use chassis::Switch;

use crate::Url;

/// Where a [`Cache`](crate::Cache) is, and how long and how much it holds; flatten it into the service's `Config`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "cache")]
pub struct Options {
    /// Cache: memory:, or with a second level redis://HOST:PORT or memcached://HOST:PORT
    #[arg(
        id = "cache_url",
        long = "cache-url",
        env = "CACHE_URL",
        hide_env_values = true,
        default_value = "memory:",
        help_heading = "Cache",
        value_name = "URL"
    )]
    pub url: Url,
    /// TTL of a cached value
    #[arg(id = "cache_ttl", long = "cache-ttl", env = "CACHE_TTL", default_value = "30s", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Cache")]
    pub ttl: Duration,
    /// How long after its TTL a stale value may be served while a fresh one is loaded
    #[arg(id = "cache_stale", long = "cache-stale", env = "CACHE_STALE", default_value = "30s", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Cache")]
    pub stale: Duration,
    /// How long a key that nothing was found for is answered without looking again; 0s looks each time
    #[arg(id = "cache_absent", long = "cache-absent", env = "CACHE_ABSENT", default_value = "5s", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Cache")]
    pub absent: Duration,
    /// Timeout of a call to Redis or Memcached; the value is loaded after it
    #[arg(id = "cache_timeout", long = "cache-timeout", env = "CACHE_TIMEOUT", default_value = "10ms", value_parser = humantime::parse_duration, value_name = "DURATION", help_heading = "Cache")]
    pub timeout: Duration,
    /// Maximum number of values in the memory of each replica, and of keys that nothing was found for
    #[arg(
        id = "cache_capacity",
        long = "cache-capacity",
        env = "CACHE_CAPACITY",
        default_value_t = 10_000,
        help_heading = "Cache",
        value_name = "COUNT"
    )]
    pub capacity: u64,
    /// Whether look-ups of one key share a load, and a stale value is served meanwhile; without, each waits for a load of its own
    #[arg(
        id = "cache_coalescing",
        long = "cache-coalescing",
        env = "CACHE_COALESCING",
        value_enum,
        default_value_t = Switch::On,
        help_heading = "Cache"
    )]
    pub coalescing: Switch,
    /// Whether a value is forgotten when it changes; without, it is served until it expires
    #[arg(
        id = "cache_invalidation",
        long = "cache-invalidation",
        env = "CACHE_INVALIDATION",
        value_enum,
        default_value_t = Switch::On,
        help_heading = "Cache"
    )]
    pub invalidation: Switch,
}

impl Options {
    /// How long a value may be served at all.
    pub(crate) fn life(&self) -> Duration {
        self.ttl + self.stale
    }
}
