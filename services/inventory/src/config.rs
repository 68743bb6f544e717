//! What the command line and the environment decide.

use messaging::BrokerUrl;

/// The stock of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where stock is kept: sqlite:PATH or postgres://…
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:inventory.db",
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
