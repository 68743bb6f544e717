//! What the command line and the environment decide.

use std::time::Duration;

use client::Address;
use messaging::BrokerUrl;

use crate::SearchUrl;

/// The search of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where the index is kept: sqlite:PATH or, if it was built in, Elasticsearch: http://USER:PASSWORD@HOST:PORT/PREFIX
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:search.db",
        value_name = "URL"
    )]
    pub search_url: SearchUrl,
    /// How often Elasticsearch makes what was changed visible to searches, at most 2s: a shorter time costs it more work
    #[arg(long, env, default_value = "200ms", value_parser = refresh, value_name = "DURATION")]
    pub search_refresh: Duration,
    /// Where events come from: sqlite:PATH, amqp://USER:PASSWORD@HOST:PORT/VHOST or kafka://HOST:PORT
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:broker.db",
        value_name = "URL"
    )]
    pub broker_url: BrokerUrl,
    /// Where the catalogue is, from which the index is rebuilt: `file:PATH`, `dns://NAME:PORT` or `http://IP:PORT`
    #[arg(
        long,
        env,
        default_value = "file:services.json",
        value_name = "ADDRESS"
    )]
    pub catalog_addr: Address,
    /// How many products an empty index starts with
    #[arg(long, env, default_value_t = 1_000, value_name = "COUNT")]
    pub seed_products: u32,
}

/// A change counts as done when it can be searched, and is given up before that if it takes much longer than this.
const LONGEST_REFRESH: Duration = Duration::from_secs(2);

fn refresh(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval > LONGEST_REFRESH {
        return Err(format!(
            "at most {LONGEST_REFRESH:?}: every change waits for it"
        ));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }

    #[test]
    fn a_refresh_that_changes_would_wait_for_in_vain_is_refused() {
        let parse = |it| super::Config::try_parse_from(["search", "--search-refresh", it]);
        parse("2s").unwrap();
        let refused = parse("3s").unwrap_err().to_string();
        assert!(refused.contains("at most 2s"), "{refused}");
    }
}
