//! What the command line and the environment decide.

use client::Address;

use crate::engine;

/// The search of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version, after_help = client::ADDRESS_HELP)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where the index is kept.
    #[command(flatten)]
    pub engine: engine::Options,
    /// How changes of products are heard of.
    #[command(flatten)]
    pub messaging: messaging::Options,
    /// Where the catalogue is, from which the index is rebuilt; a call may take 1s
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub catalog_addr: Address,
    /// Number of products that an empty index is seeded with
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
