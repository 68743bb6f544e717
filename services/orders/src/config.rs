//! What the command line and the environment decide.

use std::{path::PathBuf, time::Duration};

use client::Address;

/// The orders of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version, mut_arg("database_url", |it| it.default_value("sqlite:orders.db")), after_help = client::ADDRESS_HELP)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where orders are kept.
    #[command(flatten)]
    pub database: database::Options,
    /// How stock and payments are heard of.
    #[command(flatten)]
    pub messaging: messaging::Options,
    /// Payments' public key, which card numbers are sealed for before anything is stored: PEM, as made by
    /// `openssl pkey -pubout` of payments' `--card-key-file`
    #[arg(long, env, value_name = "PATH")]
    pub card_key_file: PathBuf,
    /// A secret of 32 characters or more, the same for all replicas: without it nobody can tell from the fingerprint of a
    /// request, which is kept for a day, what was in it
    #[arg(long, env, value_name = "PATH")]
    pub fingerprint_key_file: PathBuf,
    /// When placing an order is answered: `final` has shoppers wait for stock and payment, to compare with
    #[arg(long, env, value_enum, default_value_t = AnswerWhen::Placed)]
    pub answer_when: AnswerWhen,
    /// Where the keys that verify tokens come from
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub users_addr: Address,
    /// Where prices come from; a call may take 1s
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub catalog_addr: Address,
    /// Time after which an order that is not final is cancelled
    #[arg(long, env, default_value = "30s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub order_timeout: Duration,
}

/// When placing an order is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AnswerWhen {
    /// As soon as it cannot be lost any more.
    Placed,
    /// When it is confirmed or cancelled, or the time of the request is over.
    Final,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }
}
