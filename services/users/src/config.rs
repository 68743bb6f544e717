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
    /// How long a token lives
    #[arg(long, env, default_value = "15m", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub token_ttl: Duration,
    /// The e-mail address of the admin that a database without one starts with
    #[arg(long, env, requires = "admin_password_file", value_name = "EMAIL")]
    pub admin_email: Option<String>,
    /// A file with the admin's password, without regard to white space around it; read at every start, and followed
    #[arg(long, env, requires = "admin_email", value_name = "PATH")]
    pub admin_password_file: Option<PathBuf>,
    /// How many passwords are hashed at once, each on a core of its own with 19 MiB; as many as there are cores unless told
    #[arg(long, env, default_value_t = cores(), hide_default_value = true, value_name = "COUNT")]
    pub hash_concurrency: NonZeroUsize,
    /// How many more may wait to be hashed; whoever comes then is answered 503
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
