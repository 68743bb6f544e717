//! What the command line and the environment decide.

use std::time::Duration;

use chassis::{Address, BrokerUrl};

use crate::SearchUrl;

/// The search of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where the index is kept: sqlite:PATH or, if it was built in, Elasticsearch: http://USER:PASSWORD@HOST:PORT/PREFIX
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:search.db",
        value_name = "URL"
    )]
    pub search_url: SearchUrl,
    /// How often Elasticsearch makes what was changed visible to searches: a shorter time costs it more work
    #[arg(long, env, default_value = "200ms", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub search_refresh: Duration,
    /// Where events come from: sqlite:PATH, amqp://USER:PASSWORD@HOST:PORT/VHOST or kafka://HOST:PORT
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:broker.db",
        value_name = "URL"
    )]
    pub broker_url: BrokerUrl,
    /// Where the catalogue is, from which the index is rebuilt: `file:PATH`, `dns://NAME:PORT` or `http://IP:PORT`
    #[arg(
        long,
        env,
        default_value = "file:services.json",
        value_name = "ADDRESS"
    )]
    pub catalog_addr: Address,
    /// How many products an empty index starts with
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
