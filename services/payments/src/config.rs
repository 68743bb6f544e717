//! What the command line and the environment decide.

use std::time::Duration;

use api::Cents;

/// The payments of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version, mut_arg("database_url", |it| it.default_value("sqlite:payments.db")))]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where payments are kept.
    #[command(flatten)]
    pub database: database::Options,
    /// How orders are heard of.
    #[command(flatten)]
    pub messaging: messaging::Options,
    /// Simulated latency of the payment provider
    #[arg(long, env, default_value = "20ms", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub provider_latency: Duration,
    /// Card number that the provider declines; may be repeated
    #[arg(long, env, value_delimiter = ',', default_value = api::DECLINED_CARD, value_name = "NUMBER")]
    pub decline_card: Vec<String>,
    /// The provider declines charges above this many EUR cents
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
