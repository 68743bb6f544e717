//! How many requests one client may send: a token bucket each (GCRA, by governor).

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use chassis::Error;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};

use crate::Config;

/// Buckets that are full again are forgotten this often, so that the table is bounded by the clients of a minute.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// The rates of all clients; cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    clients: Arc<DefaultKeyedRateLimiter<IpAddr>>,
    trust_forwarded_for: bool,
}

impl Limiter {
    /// Must be called inside a Tokio runtime.
    pub(crate) fn new(config: &Config) -> Self {
        let quota = Quota::per_second(config.rate_limit).allow_burst(config.rate_burst);
        let clients = Arc::new(RateLimiter::keyed(quota));
        tokio::spawn(forget_idle(Arc::downgrade(&clients)));
        Self {
            clients,
            trust_forwarded_for: config.trust_forwarded_for,
        }
    }

    /// Who is asking: the peer, or what a trusted proxy says of it.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trust_forwarded_for {
            return peer;
        }
        // The proxy appends the address it saw; whatever stands before it came from the client.
        let last = headers.get_all("x-forwarded-for").iter().next_back();
        last.and_then(|it| it.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
            .unwrap_or(peer)
    }
}

async fn forget_idle(clients: std::sync::Weak<DefaultKeyedRateLimiter<IpAddr>>) {
    loop {
        tokio::time::sleep(FORGET_EVERY).await;
        let Some(clients) = clients.upgrade() else {
            return;
        };
        clients.retain_recent();
        clients.shrink_to_fit();
    }
}

/// Lets the request through, or answers 429.
pub(crate) async fn limit(
    State(limiter): State<Limiter>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let client = limiter.client(peer.ip(), request.headers());
    match limiter.clients.check_key(&client) {
        Ok(()) => next.run(request).await,
        Err(over) => {
            let wait = over.wait_time_from(limiter.clients.clock().now());
            let retry_after_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Error::TooManyRequests {
                retry_after_s: retry_after_s.max(1),
            }
            .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[tokio::test]
    async fn a_forwarded_address_counts_only_when_trusted_and_only_the_last() {
        let peer: IpAddr = [10, 0, 0, 1].into();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.1.1.1, 198.18.0.7".parse().unwrap());
        let limiter = |args: &[&str]| Limiter::new(&Config::parse_from(args));
        assert_eq!(limiter(&["gateway"]).client(peer, &headers), peer);
        let trusting = limiter(&["gateway", "--trust-forwarded-for"]);
        assert_eq!(
            trusting.client(peer, &headers),
            IpAddr::from([198, 18, 0, 7])
        );
        headers.insert("x-forwarded-for", "nonsense".parse().unwrap());
        assert_eq!(trusting.client(peer, &headers), peer);
    }
}
