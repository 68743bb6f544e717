//! What the command line and the environment decide.

use std::time::Duration;

use api::Cents;
use messaging::BrokerUrl;

/// The payments of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where payments are kept: sqlite:PATH or postgres://…
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:payments.db",
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
    /// How long the payment provider takes over one charge
    #[arg(long, env, default_value = "20ms", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub provider_latency: Duration,
    /// A card number that the provider declines; give it once for each
    #[arg(long, env, value_delimiter = ',', default_value = api::DECLINED_CARD, value_name = "NUMBER")]
    pub decline_card: Vec<String>,
    /// The provider declines whatever is above so many EUR cents
    #[arg(long, env, value_name = "CENTS")]
    pub decline_above: Option<Cents>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }
}
