//! What the command line and the environment decide.

use std::time::Duration;

use client::Address;
use messaging::BrokerUrl;

/// The orders of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where orders are kept: sqlite:PATH or postgres://…
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:orders.db",
        value_name = "URL"
    )]
    pub database_url: database::Url,
    /// Limits of that database.
    #[command(flatten)]
    pub database: database::Options,
    /// Where events come from and go to: sqlite:PATH, amqp://USER:PASSWORD@HOST:PORT/VHOST or kafka://HOST:PORT
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:broker.db",
        value_name = "URL"
    )]
    pub broker_url: BrokerUrl,
    /// Where the keys that verify tokens come from: a `file_sd` file of Prometheus (`file:PATH`), the addresses of a name
    /// (`dns://NAME:PORT`) or one fixed replica (`http://IP:PORT`)
    #[arg(
        long,
        env,
        default_value = "file:services.json",
        value_name = "ADDRESS"
    )]
    pub users_addr: Address,
    /// Where prices come from
    #[arg(
        long,
        env,
        default_value = "file:services.json",
        value_name = "ADDRESS"
    )]
    pub catalog_addr: Address,
    /// The longest a call for prices may take
    #[arg(long, env, default_value = "1s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub catalog_timeout: Duration,
    /// An order that is not final by then is cancelled
    #[arg(long, env, default_value = "30s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub order_timeout: Duration,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }
}
