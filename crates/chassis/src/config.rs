//! What every service can be told.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::ValueEnum;

use crate::serve::HEAD_TIMEOUT;

/// The settings every service takes, each a flag and an environment variable; flatten it into the service's own `Config`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "chassis")] // The default id, `Config`, would collide with the outer struct's.
#[command(next_help_heading = "Serving")]
pub struct Config {
    /// Listen address for requests, HTTP and gRPC; port 0 chooses a free one
    #[arg(long, env, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Listen address for probes, metrics and faults; keep it off the public network
    #[arg(long, env, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub admin_listen: SocketAddr,
    /// Deadline of a request; a caller's own deadline can only shorten it
    #[arg(long, env, default_value = "5s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub request_timeout: Duration,
    /// Maximum size of a request body in bytes
    #[arg(long, env, default_value_t = 64 * 1024, value_name = "BYTES")]
    pub body_limit: usize,
    /// Maximum number of connections; further ones wait in the listen queue. They never take more than half of the file
    /// descriptors
    #[arg(long, env, default_value_t = 4096, value_name = "COUNT")]
    pub max_connections: usize,
    /// How long a connection may be idle, and over HTTP/1.1 a head may take; at least 10s, and longer than a proxy in front keeps
    /// it: 75s behind an AWS load balancer, 620s behind Google's
    #[arg(long, env, default_value = "10s", value_parser = idle_timeout, value_name = "DURATION")]
    pub idle_timeout: Duration,
    /// Drain timeout: how long requests in flight may continue after SIGTERM before they are cancelled
    #[arg(long, env, default_value = "10s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub drain_timeout: Duration,
    /// Directory that log lines are also written to, in files of 16 MiB, of which a replica keeps eight
    #[arg(long, env, value_name = "DIRECTORY")]
    pub log_dir: Option<PathBuf>,
    /// Memory that the process may use, told to Prometheus; default: what its control group allows
    #[arg(long, env, value_name = "BYTES")]
    pub memory_limit: Option<u64>,
    /// Whether the admin port accepts faults (latency, errors, hangs, CPU load, memory); never enable it in production
    #[arg(long, env, value_enum, default_value_t = Switch::Off)]
    pub faults: Switch,
    /// Standard input is a Unix socket of the supervisor: announce the addresses on it, and stop when it closes
    #[arg(long, env, hide_short_help = true)]
    pub supervised: bool,
}

/// Callers of ours close a connection after [`CLIENT_IDLE_TIMEOUT`](crate::CLIENT_IDLE_TIMEOUT), so that they never send a request
/// just when the service closes it.
fn idle_timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if timeout < HEAD_TIMEOUT {
        return Err(format!("must be at least {HEAD_TIMEOUT:?}"));
    }
    Ok(timeout)
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Do it.
    On,
    /// Leave it.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_may_be_idle_for_longer_but_not_for_less_than_callers_keep_it() {
        assert_eq!(idle_timeout("75s"), Ok(Duration::from_secs(75)));
        assert_eq!(idle_timeout("9s").unwrap_err(), "must be at least 10s");
    }
}
