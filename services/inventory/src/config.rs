//! What the command line and the environment decide.

/// The stock of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version, mut_arg("database_url", |it| it.default_value("sqlite:inventory.db")))]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where stock is kept.
    #[command(flatten)]
    pub database: database::Options,
    /// How orders are heard of.
    #[command(flatten)]
    pub messaging: messaging::Options,
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
