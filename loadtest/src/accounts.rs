//! Accounts of the shop: registered and logged in before the load begins, because hashing a password takes as long as
//! serving a hundred pages.

use std::{net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use api::{Credentials, Session};
use reqwest::{StatusCode, header::RETRY_AFTER};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::deployment::secrets;

/// Hashes under way: the service has as many threads for them as there are cores, and a queue.
const AT_ONCE: usize = 8;
/// The longest wait for a limit of log-ins.
const PATIENCE: Duration = Duration::from_mins(1);

/// What shoppers are called in a shop that nobody else has used.
pub(crate) const SHOPPER: &str = "shopper";

/// Registers `count` shoppers at the shop behind `gateway`, whose names begin with `name`, and returns the token of each.
pub(crate) async fn shoppers(
    http: &reqwest::Client,
    gateway: &str,
    name: &str,
    count: u32,
) -> anyhow::Result<Vec<String>> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut joining = JoinSet::new();
    for number in 0..count {
        let (http, gateway, places) = (http.clone(), gateway.to_owned(), Arc::clone(&places));
        let email = format!("{name}-{number}@shop.example");
        joining.spawn(async move {
            let _place = places.acquire_owned().await?;
            let credentials = Credentials {
                email,
                password: secrets::password()?,
            };
            let registered = post(&http, &format!("{gateway}/users"), number, &credentials).await;
            registered.context("register a shopper")?;
            log_in(&http, &gateway, number, &credentials).await
        });
    }
    let mut tokens = Vec::new();
    while let Some(token) = joining.join_next().await {
        tokens.push(token.context("register shoppers")??);
    }
    Ok(tokens)
}

/// The token of the admin of the deployment in `dir`.
pub(crate) async fn admin(
    http: &reqwest::Client,
    gateway: &str,
    dir: &Path,
) -> anyhow::Result<String> {
    let path = secrets::admin_password(dir);
    let password = std::fs::read_to_string(&path);
    let credentials = Credentials {
        email: secrets::ADMIN_EMAIL.to_owned(),
        password: password.with_context(|| format!("read {}", path.display()))?,
    };
    log_in(http, gateway, 0, &credentials).await
}

async fn log_in(
    http: &reqwest::Client,
    gateway: &str,
    number: u32,
    credentials: &Credentials,
) -> anyhow::Result<String> {
    let answer = post(http, &format!("{gateway}/sessions"), number, credentials).await;
    let session: Session = answer
        .context("log in")?
        .json()
        .await
        .context("read a session")?;
    Ok(session.token)
}

async fn post(
    http: &reqwest::Client,
    url: &str,
    number: u32,
    credentials: &Credentials,
) -> reqwest::Result<reqwest::Response> {
    // Each has an address of its own, from a range that no arrival has: log-ins are limited by address.
    let address = Ipv4Addr::from(u32::from_be_bytes([203, 0, 113, 0]) + number % 256);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = http
            .post(url)
            .header("x-forwarded-for", address.to_string());
        let answer = asked.json(credentials).send().await?;
        // A gateway that does not trust that header takes us all for one, and says when to come again.
        match retry_after(&answer) {
            Some(wait) if Instant::now() + wait < deadline => sleep(wait).await,
            _ => return answer.error_for_status(),
        }
    }
}

/// How long to wait after a 429, if this is one that says so (RFC 9110 section 10.2.3).
fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    if answer.status() != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.parse().ok()?))
}
