//! The engines behind the store: FTS5 in a file, and Elasticsearch; [`url`] says which, and where.

#[cfg(feature = "elasticsearch")]
pub(crate) mod elastic;
pub(crate) mod sqlite;
pub(crate) mod url;

use std::time::Duration;

use url::SearchUrl;

/// Which engine, and what it may do; flattened into the service's `Config`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "engine")]
pub struct Options {
    /// Where the index is kept: sqlite:PATH or, in builds with Elasticsearch, http://USER:PASSWORD@HOST:PORT/PREFIX
    #[arg(
        id = "search_url",
        long = "search-url",
        env = "SEARCH_URL",
        hide_env_values = true,
        default_value = "sqlite:search.db",
        help_heading = "Index",
        value_name = "URL"
    )]
    pub url: SearchUrl,
    /// Refresh interval of Elasticsearch, at most 2s: a shorter one makes changes visible sooner at a higher cost
    #[arg(id = "search_refresh", long = "search-refresh", env = "SEARCH_REFRESH", default_value = "200ms", value_parser = refresh, value_name = "DURATION", help_heading = "Index")]
    pub refresh: Duration,
}

/// A change counts as done when it can be searched, and is given up before that if it takes much longer than this.
const LONGEST_REFRESH: Duration = Duration::from_secs(2);

fn refresh(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval > LONGEST_REFRESH {
        return Err(format!(
            "must be at most {LONGEST_REFRESH:?}: every change waits for it"
        ));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::Config;

    #[test]
    fn a_refresh_that_changes_would_wait_for_in_vain_is_refused() {
        let parse = |it| Config::try_parse_from(["search", "--search-refresh", it]);
        parse("2s").unwrap();
        let refused = parse("3s").unwrap_err().to_string();
        assert!(refused.contains("at most 2s"), "{refused}");
    }
}
