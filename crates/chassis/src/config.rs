//! What every service can be told.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::ValueEnum;

/// The settings every service takes, each a flag and an environment variable; flatten it into the service's own `Config`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "chassis")] // The default id, `Config`, would collide with the outer struct's.
#[command(next_help_heading = "Serving")]
pub struct Config {
    /// Address for requests, HTTP and gRPC; port 0 takes any free one
    #[arg(long, env, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Address for probes, metrics and faults; keep it off the public network
    #[arg(long, env, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub admin_listen: SocketAddr,
    /// The longest a request may take; a caller's own deadline can only shorten it
    #[arg(long, env, default_value = "5s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub request_timeout: Duration,
    /// The longest request body, in bytes
    #[arg(long, env, default_value_t = 64 * 1024, value_name = "BYTES")]
    pub body_limit: usize,
    /// How many connections are held at once; further ones wait in the listen queue
    #[arg(long, env, default_value_t = 4096, value_name = "COUNT")]
    pub max_connections: usize,
    /// How long requests in flight may go on after SIGTERM before they are cut off
    #[arg(long, env, default_value = "10s", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub drain_timeout: Duration,
    /// Whether the admin port takes faults (latency, errors, hangs, CPU burn); never switch it on in production
    #[arg(long, env, value_enum, default_value_t = Switch::Off)]
    pub faults: Switch,
    /// Standard input is a Unix socket of the supervisor: announce the addresses on it, and stop when it closes
    #[arg(long, env, hide_short_help = true)]
    pub supervised: bool,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Do it.
    On,
    /// Leave it.
    Off,
}

/// Splits `scheme:rest` for the URLs of backing services, whose embedded kinds have no authority part.
pub(crate) fn scheme(url: &str) -> (&str, &str) {
    url.split_once(':').unwrap_or((url, ""))
}

/// The longest name, or beginning of names, that a URL may give our things at a server: names of topics have at most 249 bytes,
/// keys of Memcached 250, queues of `RabbitMQ` 255.
const MAX_NAME: usize = 64;

/// Whether `name`, which a URL gives as its `parameter`, can be what our things at a server are called.
pub(crate) fn check_name(parameter: &str, name: &str) -> Result<(), String> {
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!(
        "{parameter} is 1 to {MAX_NAME} of A-Z, a-z, 0-9, '.', '_' and '-'"
    ))
}

/// The path of `file:…` or `sqlite:…`, with or without the two slashes some write.
pub(crate) fn path_of(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    (!path.is_empty()).then(|| PathBuf::from(path))
}
