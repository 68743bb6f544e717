//! What the command line and the environment decide.

use std::{fmt, path::PathBuf, str::FromStr};

use chassis::{BrokerUrl, DatabaseUrl};

/// The search of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where the index is kept: sqlite:PATH
    #[arg(long, env, default_value = "sqlite:search.db", value_name = "URL")]
    pub search_url: SearchUrl,
    /// Where events come from: sqlite:PATH, amqp://USER:PASSWORD@HOST:PORT/VHOST or kafka://HOST:PORT
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:broker.db",
        value_name = "URL"
    )]
    pub broker_url: BrokerUrl,
    /// How many products an empty index starts with
    #[arg(long, env, default_value_t = 1_000, value_name = "COUNT")]
    pub seed_products: u32,
}

/// Which search engine, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchUrl {
    /// `sqlite:PATH`: FTS5 in a file, made when missing. Replicas of the service share it.
    Sqlite(PathBuf),
}

impl FromStr for SearchUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(DatabaseUrl::Sqlite(path)) => Ok(Self::Sqlite(path)),
            _ => Err("expected sqlite:PATH".to_owned()),
        }
    }
}

impl fmt::Display for SearchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }
}
