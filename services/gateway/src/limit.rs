//! How many requests one client may send, and how many log-ins may be tried: a token bucket each (GCRA, by governor).

mod tries;

use std::{
    borrow::Cow,
    hash::{BuildHasher as _, Hash, RandomState},
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Weak},
    time::Duration,
};

use api::{Credentials, UserId, email_key};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, FromRequest as _, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use chassis::{Error, counted_as};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};

use crate::Config;
use tries::Tries;

/// Buckets that are full again are forgotten this often, so that the table is bounded by the clients of a minute.
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Whoever is logged in, wherever they are.
    Account(UserId),
    /// Whoever is not.
    Address(IpAddr),
}

impl Client {
    /// What tells this client from all others, at every gateway the same.
    pub(crate) fn named(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Account(id) => id.as_str().as_bytes().into(),
            Self::Address(IpAddr::V4(it)) => it.octets().to_vec().into(),
            Self::Address(IpAddr::V6(it)) => it.octets().to_vec().into(),
        }
    }
}

/// The rates of all clients; cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    clients: Arc<DefaultKeyedRateLimiter<Client>>,
    /// Log-ins from one address, which may try many accounts, and registrations: each costs users the hash of a password.
    attempts: Arc<DefaultKeyedRateLimiter<IpAddr>>,
    /// Wrong log-ins for one account, which may be tried from many addresses.
    tries: Arc<Tries>,
    /// Hashes accounts, so that the table names nobody, with a key of this process: nobody can choose one whose hash is another's.
    hasher: RandomState,
    /// How many proxies append to `X-Forwarded-For`; 0 where it is not trusted.
    proxies: usize,
}

impl Limiter {
    /// Must be called inside a Tokio runtime.
    pub(crate) fn new(config: &Config) -> Self {
        let tries = Arc::new(Tries::new(config.login_rate, config.login_burst));
        tokio::spawn(forget(Arc::downgrade(&tries), Tries::forget_full));
        Self {
            tries,
            clients: buckets(config.rate_limit, config.rate_burst),
            attempts: buckets(config.login_rate, config.login_burst),
            hasher: RandomState::new(),
            proxies: if config.trust_forwarded_for {
                config.forwarded_for_proxies.get()
            } else {
                0
            },
        }
    }

    /// Counts a request of `client`.
    pub(crate) fn admit(&self, client: &Client) -> Result<(), Error> {
        take(&self.clients, client)
    }

    /// Counts a registration.
    fn admit_registration(&self, from: IpAddr) -> Result<(), Error> {
        take(&self.attempts, &from)
    }

    /// Counts a log-in for the account of `email`, even where there is none: as wrong, until it turns out that it is not.
    fn admit_log_in(&self, from: IpAddr, email: Option<&str>) -> Result<Option<Try>, Error> {
        take(&self.attempts, &from)?;
        let Some(email) = email else {
            return Ok(None);
        };
        // Addresses that users takes for the same are the same here.
        let account = self.hasher.hash_one(email_key(email));
        self.tries.take(account).map_err(come_back)?;
        let tries = Arc::clone(&self.tries);
        Ok(Some(Try { tries, account }))
    }

    /// Where the client is, as far as it is counted: the peer, or what a trusted proxy says of it.
    pub(crate) fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let Some(place) = self.proxies.checked_sub(1) else {
            return counted_as(peer);
        };
        // Each proxy appends the address it saw; whatever stands before these came from the client.
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|it| it.as_bytes().rsplit(|it| *it == b','));
        let mut hops = hops.filter(|it| !it.trim_ascii().is_empty());
        let client = hops.nth(place);
        counted_as(client.and_then(forwarded).unwrap_or(peer))
    }
}

/// One address of `X-Forwarded-For`, with or without a port.
fn forwarded(hop: &[u8]) -> Option<IpAddr> {
    let hop = str::from_utf8(hop).ok()?.trim();
    let bare = hop.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = bare.unwrap_or(hop).parse().ok();
    address.or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()))
}

fn buckets<K>(rate: NonZeroU32, burst: NonZeroU32) -> Arc<DefaultKeyedRateLimiter<K>>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    let quota = Quota::per_second(rate).allow_burst(burst);
    let buckets = Arc::new(RateLimiter::keyed(quota));
    let forget_full = |it: &DefaultKeyedRateLimiter<K>| {
        it.retain_recent();
        it.shrink_to_fit();
    };
    tokio::spawn(forget(Arc::downgrade(&buckets), forget_full));
    buckets
}

async fn forget<B>(buckets: Weak<B>, forget_full: impl Fn(&B)) {
    loop {
        tokio::time::sleep(FORGET_EVERY).await;
        let Some(buckets) = buckets.upgrade() else {
            return;
        };
        forget_full(&buckets);
    }
}

fn take<K: Hash + Eq + Clone>(buckets: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), Error> {
    let now = || buckets.clock().now();
    let admitted = buckets.check_key(key);
    admitted.map_err(|over| come_back(over.wait_time_from(now())))
}

fn come_back(wait: Duration) -> Error {
    let retry_after_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Error::TooManyRequests {
        retry_after_s: retry_after_s.max(1),
    }
}

/// A log-in that counts as wrong unless it is taken back.
struct Try {
    tries: Arc<Tries>,
    account: u64,
}

impl Try {
    fn was_not_wrong(self) {
        self.tries.give_back(self.account);
    }
}

/// Lets a registration through, or answers 429: whoever could send as many as other requests would keep users hashing, and
/// with it everybody from logging in.
pub(crate) async fn register(
    State(limiter): State<Limiter>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    limiter.admit_registration(limiter.address(peer.ip(), request.headers()))?;
    Ok(next.run(request).await)
}

/// Lets a log-in through, or answers 429.
pub(crate) async fn log_in(
    State(limiter): State<Limiter>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, Response> {
    let from = limiter.address(peer.ip(), request.headers());
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(whole, &()).await;
    let body = body.map_err(axum::response::IntoResponse::into_response)?;
    // Read as users reads it, so that no way of writing it names an account there and none here.
    let account: Option<Credentials> = serde_json::from_slice(&body).ok();
    let attempt = limiter
        .admit_log_in(from, account.as_ref().map(|it| it.email.as_str()))
        .map_err(Error::into_response)?;
    let response = next.run(Request::from_parts(parts, body.into())).await;
    // Whoever does not wait for the answer has no right one.
    if let Some(attempt) = attempt
        && response.status() != StatusCode::UNAUTHORIZED
    {
        attempt.was_not_wrong();
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn limiter(flags: &[&str]) -> Limiter {
        Limiter::new(&Config::parse_from(["gateway"].iter().chain(flags)))
    }

    #[tokio::test]
    async fn a_forwarded_address_counts_only_when_trusted_and_only_the_last() {
        let peer: IpAddr = [10, 0, 0, 1].into();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.1.1.1, 198.18.0.7".parse().unwrap());
        assert_eq!(limiter(&[]).address(peer, &headers), peer);
        let trusting = limiter(&["--trust-forwarded-for"]);
        assert_eq!(
            trusting.address(peer, &headers),
            IpAddr::from([198, 18, 0, 7])
        );
        headers.insert("x-forwarded-for", "nonsense".parse().unwrap());
        assert_eq!(trusting.address(peer, &headers), peer);
    }

    #[tokio::test]
    async fn behind_two_proxies_the_last_address_but_one_is_the_clients() {
        let behind = limiter(&["--trust-forwarded-for", "--forwarded-for-proxies=2"]);
        let peer = IpAddr::from([35, 191, 0, 1]);
        for (line, address) in [
            ("1.1.1.1, 198.51.100.7, 34.1.2.3", [198, 51, 100, 7]),
            ("198.51.100.7,34.1.2.3", [198, 51, 100, 7]),
            // Somebody who came past them.
            ("198.51.100.7", [35, 191, 0, 1]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", line.parse().unwrap());
            assert_eq!(behind.address(peer, &headers), IpAddr::from(address));
        }
    }

    #[tokio::test]
    async fn a_forwarded_address_may_have_a_port_and_stand_on_any_line() {
        let trusting = limiter(&["--trust-forwarded-for"]);
        let (peer, client) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([198, 51, 100, 7]));
        let network: IpAddr = "2001:db8::".parse().unwrap();
        for (lines, address) in [
            (&["198.51.100.7:4711"][..], client),
            (&["1.1.1.1", "2.2.2.2 ,198.51.100.7 "], client),
            (&["198.51.100.7", "", " , "], client),
            (&["::ffff:198.51.100.7"], client),
            (&["[::ffff:198.51.100.7]:443"], client),
            (&["[2001:db8::1]:443"], network),
            (&["[2001:db8::1]"], network),
            (&["2001:db8::2"], network),
            (&["198.51.100.7:65536"], peer),
            (&["198.51.100.7, unknown"], peer),
            (&[], peer),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            assert_eq!(trusting.address(peer, &headers), address, "{lines:?}");
        }
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_client_and_ipv4_is_itself_however_written() {
        let limiter = limiter(&["--login-rate=1", "--login-burst=1"]);
        let admitted = |peer: &str| {
            let from = limiter.address(peer.parse().unwrap(), &HeaderMap::new());
            limiter.admit_registration(from).is_ok()
        };
        assert!(admitted("2001:db8:0:1::1"));
        assert!(!admitted("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert!(admitted("2001:db8:0:2::1"), "the next network");
        assert!(admitted("192.0.2.1") && !admitted("::ffff:192.0.2.1"));
        assert!(admitted("::ffff:192.0.2.2") && !admitted("192.0.2.2"));
        assert!(admitted("64:ff9b::192.0.2.3") && admitted("64:ff9b::192.0.2.4"));
        assert!(!admitted("192.0.2.3"), "itself behind a translator");
    }

    #[tokio::test]
    async fn log_ins_are_counted_by_address_and_wrong_ones_by_account() {
        let limiter = limiter(&["--login-rate=1", "--login-burst=2"]);
        let from = |it| IpAddr::from([10, 0, 0, it]);
        let tries = |it, email| limiter.admit_log_in(from(it), email).ok();
        let wrong = |it, email| tries(it, Some(email)).is_some();
        assert!(wrong(1, "jörg@b") && wrong(1, "bob@b"));
        assert!(!wrong(1, "eve@b"), "two from one address");
        let twins = ["JÖRG@b", "jörg@B", "jo\u{308}rg@b"];
        for it in 2..9 {
            assert!(wrong(it, twins[usize::from(it) % 3]), "{it}");
        }
        assert!(
            !wrong(9, "jörg@b"),
            "eight for one account, whatever its form"
        );
        assert!(tries(10, None).is_some() && tries(10, None).is_some());
        assert!(tries(10, None).is_none(), "what names nobody counts too");
        for it in 11..51 {
            let right = tries(it, Some("ada@b")).flatten();
            right.expect("a try").was_not_wrong();
        }
    }

    #[tokio::test]
    async fn an_account_has_a_rate_of_its_own_wherever_it_is() {
        let limiter = limiter(&["--rate-limit=1", "--rate-burst=1"]);
        let admitted = |client| limiter.admit(&client).is_ok();
        let address = || Client::Address([10, 0, 0, 1].into());
        assert!(admitted(address()) && !admitted(address()));
        let account = |id: &str| Client::Account(id.parse().unwrap());
        assert!(admitted(account("u-1")) && !admitted(account("u-1")));
        assert!(admitted(account("u-2")));
    }
}
