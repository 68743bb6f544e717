//! What the command line and the environment decide.

use std::time::Duration;

use client::Address;
use messaging::BrokerUrl;

/// The product catalogue of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where products are kept: sqlite:PATH or postgres://…
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:catalog.db",
        value_name = "URL"
    )]
    pub database_url: database::Url,
    /// Limits of that database.
    #[command(flatten)]
    pub database: database::Options,
    /// Where changes of products are told: sqlite:PATH, amqp://USER:PASSWORD@HOST:PORT/VHOST or kafka://HOST:PORT
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:broker.db",
        value_name = "URL"
    )]
    pub broker_url: BrokerUrl,
    /// Where product pages are cached: memory:, or behind that redis://HOST:PORT or memcached://HOST:PORT
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "memory:",
        value_name = "URL"
    )]
    pub cache_url: cache::Url,
    /// How long a cached product may be served
    #[arg(long, env, default_value = "30s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub cache_ttl: Duration,
    /// How much longer it may be served while a fresh one is loaded
    #[arg(long, env, default_value = "30s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub cache_stale: Duration,
    /// The longest a call to Redis or Memcached may take; then the database is asked
    #[arg(long, env, default_value = "10ms", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub cache_timeout: Duration,
    /// How many products the cache holds at most
    #[arg(long, env, default_value_t = 10_000, value_name = "COUNT")]
    pub cache_capacity: u64,
    /// Where the users service is, which publishes the keys that tokens are verified with: `file:PATH`, `dns://NAME:PORT` or
    /// `http://IP:PORT`
    #[arg(
        long,
        env,
        default_value = "file:services.json",
        value_name = "ADDRESS"
    )]
    pub users_addr: Address,
    /// How many products an empty database starts with
    #[arg(long, env, default_value_t = 1_000, value_name = "COUNT")]
    pub seed_products: u32,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }
}
