//! What the command line and the environment decide.

use client::Address;

/// The product catalogue of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version, mut_arg("database_url", |it| it.default_value("sqlite:catalog.db")), after_help = client::ADDRESS_HELP)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where products are kept.
    #[command(flatten)]
    pub database: database::Options,
    /// How changes of products are told.
    #[command(flatten)]
    pub messaging: messaging::Options,
    /// Where single products are cached.
    #[command(flatten)]
    pub cache: cache::Options,
    /// Where the keys that verify tokens come from
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub users_addr: Address,
    /// Number of products that an empty database is seeded with
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
