//! What the command line and the environment decide.

use std::{num::NonZeroUsize, path::PathBuf, thread, time::Duration};

/// Accounts and tokens of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version, mut_arg("database_url", |it| it.default_value("sqlite:users.db")))]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where accounts are kept.
    #[command(flatten)]
    pub database: database::Options,
    /// The Ed25519 key that signs tokens, the same for all replicas: PKCS#8 as PEM or DER, as made by
    /// `openssl genpkey -algorithm ed25519`
    #[arg(long, env, value_name = "PATH")]
    pub signing_key_file: PathBuf,
    /// Lifetime of a token
    #[arg(long, env, default_value = "15m", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub token_ttl: Duration,
    /// E-mail address of the admin account, created if the database has none
    #[arg(long, env, requires = "admin_password_file", value_name = "EMAIL")]
    pub admin_email: Option<String>,
    /// File with the admin's password, surrounding white space ignored; read at every start, a changed password is applied
    #[arg(long, env, requires = "admin_email", value_name = "PATH")]
    pub admin_password_file: Option<PathBuf>,
    /// Passwords hashed concurrently, each with one core and 19 MiB [default: number of cores]
    #[arg(long, env, default_value_t = cores(), hide_default_value = true, value_name = "COUNT")]
    pub hash_concurrency: NonZeroUsize,
    /// Passwords that may wait to be hashed; further ones are answered with 503
    #[arg(long, env, default_value_t = 32, value_name = "COUNT")]
    pub hash_queue: usize,
}

fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }
}
