//! The HTTP client of the engine and of the deployment.

use std::time::Duration;

use anyhow::Context as _;

/// A client that goes straight to the shop, waits for an answer for at most `timeout`, and gives idle connections up before a
/// service closes them.
pub(crate) fn client(timeout: Duration) -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .pool_idle_timeout(chassis::CLIENT_IDLE_TIMEOUT)
        .timeout(timeout)
        .build()
        .context("create an HTTP client")
}
