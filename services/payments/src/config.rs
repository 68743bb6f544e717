//! What the command line and the environment decide.

use std::{path::PathBuf, time::Duration};

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
    /// The X25519 key that opens card numbers, the same for all replicas: PEM, as made by `openssl genpkey -algorithm x25519`.
    /// While keys are changed, the new one and the old one after the other
    #[arg(long, env, value_name = "PATH")]
    pub card_key_file: PathBuf,
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
