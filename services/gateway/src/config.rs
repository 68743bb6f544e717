//! What the command line and the environment decide.

use std::num::{NonZeroU32, NonZeroUsize};

use axum::http::HeaderValue;
use chassis::Share;
use client::Address;

/// The public gateway of the shop
#[derive(Debug, Clone, clap::Parser)]
#[command(version, after_help = client::ADDRESS_HELP)]
pub struct Config {
    /// Listeners, limits and faults.
    #[command(flatten)]
    pub chassis: chassis::Config,
    /// Where the catalog is; a call may take 2s
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub catalog_addr: Address,
    /// Where the inventory is; a product page waits 300ms for it before it says `unknown`
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub inventory_addr: Address,
    /// Where users is, with the keys that verify tokens; a call may take 5s: passwords wait there to be hashed
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub users_addr: Address,
    /// Where search is; a call may take 2s
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub search_addr: Address,
    /// Where orders is; a call may take 3s
    #[arg(long, env, default_value = client::DEFAULT_ADDRESS, value_name = "ADDRESS")]
    pub orders_addr: Address,
    /// Origin that may call the gateway from a browser (CORS); may be repeated
    #[arg(
        long,
        env,
        value_delimiter = ',',
        default_value = "http://localhost:3000",
        value_name = "ORIGIN"
    )]
    pub cors_allow_origin: Vec<HeaderValue>,
    /// Sustained requests per second per client: per account, or per address without a login
    #[arg(long, env, default_value = "200", value_name = "COUNT")]
    pub rate_limit: NonZeroU32,
    /// Burst of requests per client
    #[arg(long, env, default_value = "400", value_name = "COUNT")]
    pub rate_burst: NonZeroU32,
    /// Sustained log-ins and registrations per second per address; an account takes four times as many wrong log-ins, from all
    /// addresses together
    #[arg(long, env, default_value = "5", value_name = "COUNT")]
    pub login_rate: NonZeroU32,
    /// Burst of log-ins and registrations per address; of wrong log-ins for an account, four times as many
    #[arg(long, env, default_value = "10", value_name = "COUNT")]
    pub login_burst: NonZeroU32,
    /// Maximum number of connections from one address, or from one network /64 of IPv6; half of `--max-connections` unless said.
    /// Nothing limits them behind `--trust-forwarded-for`, where all come from the proxy
    #[arg(long, env, value_name = "COUNT")]
    pub max_connections_per_peer: Option<NonZeroUsize>,
    /// Maximum number of requests in flight on one HTTP/2 connection
    #[arg(long, env, default_value = "100", value_name = "COUNT")]
    pub max_streams_per_connection: NonZeroU32,
    /// Use the last address in `X-Forwarded-For` as the client's address: only behind a proxy that appends it
    #[arg(long, env)]
    pub trust_forwarded_for: bool,
    /// How many proxies append an address to `X-Forwarded-For`: the client's is the first of so many last ones. Google's load
    /// balancer counts as two, the second of which is its own address
    #[arg(
        long,
        env,
        default_value = "1",
        value_name = "COUNT",
        requires = "trust_forwarded_for"
    )]
    pub forwarded_for_proxies: NonZeroUsize,
    /// Honour the sampled flag of a `traceparent` from clients: any client can then fill the trace store
    #[arg(long, env)]
    pub trust_traceparent: bool,
    /// Let `x-request-timeout-ms` from outside shorten the time of a request: anyone can then make requests fail
    #[arg(long, env)]
    pub trust_deadline: bool,
}

impl Config {
    /// What one stranger may have of the door.
    pub(crate) fn share(&self) -> Share {
        let half = self.chassis.max_connections / 2;
        let connections = self
            .max_connections_per_peer
            .map_or(half, NonZeroUsize::get);
        Share {
            connections: if self.trust_forwarded_for {
                usize::MAX
            } else {
                connections
            },
            streams: self.max_streams_per_connection.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn a_peer_has_half_of_the_connections_unless_said_and_a_trusted_proxy_all() {
        let connections = |flags: &[&str]| {
            let flags = [&["gateway", "--max-connections=50"], flags].concat();
            super::Config::parse_from(flags).share().connections
        };
        assert_eq!(connections(&[]), 25);
        assert_eq!(connections(&["--max-connections-per-peer=10"]), 10);
        let proxy = ["--max-connections-per-peer=10", "--trust-forwarded-for"];
        assert_eq!(connections(&proxy), usize::MAX);
    }

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }
}
