//! What the command line and the environment decide.

use std::num::NonZeroU32;

use axum::http::HeaderValue;
use client::Address;

/// The only public door of the shop
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
    /// An origin whose pages may call the gateway from a browser; give it once for each
    #[arg(
        long,
        env,
        value_delimiter = ',',
        default_value = "http://localhost:3000",
        value_name = "ORIGIN"
    )]
    pub cors_allow_origin: Vec<HeaderValue>,
    /// Requests a second that one client may send for long; a client is an account, or an address where nobody is logged in
    #[arg(long, env, default_value = "200", value_name = "COUNT")]
    pub rate_limit: NonZeroU32,
    /// Requests that one client may send at once
    #[arg(long, env, default_value = "400", value_name = "COUNT")]
    pub rate_burst: NonZeroU32,
    /// Log-ins and registrations a second that one address may try for long, and log-ins that may be tried for one account
    #[arg(long, env, default_value = "5", value_name = "COUNT")]
    pub login_rate: NonZeroU32,
    /// Log-ins and registrations that may be tried at once
    #[arg(long, env, default_value = "10", value_name = "COUNT")]
    pub login_burst: NonZeroU32,
    /// Take the last address in `X-Forwarded-For` as the client's: only behind a proxy that sets it
    #[arg(long, env)]
    pub trust_forwarded_for: bool,
    /// Honour the sampled flag of a `traceparent` from outside: anyone can then fill the trace store
    #[arg(long, env)]
    pub trust_traceparent: bool,
    /// Let `x-request-timeout-ms` from outside shorten the time of a request: anyone can then make requests fail
    #[arg(long, env)]
    pub trust_deadline: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Config::command().debug_assert();
    }
}
