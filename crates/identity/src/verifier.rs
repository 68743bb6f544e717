//! Checking tokens against the public keys of users, which are fetched, kept, and fetched again when an unknown one is named.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    time::Duration,
};

use anyhow::Context as _;
use api::{Claims, TOKEN_AUDIENCE, TOKEN_ISSUER};
use axum::http::{HeaderMap, Method, StatusCode, uri::PathAndQuery};
use bytes::Bytes;
use chassis::{Error, Host};
use client::{Address, Upstream};
use hashlink::LruCache;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::INVALID;

/// How far the clock of the replica of users that signed a token may be ahead of or behind ours, in seconds.
const LEEWAY_S: u64 = 5;
/// A token that names an unknown key makes us ask for keys, but no more often than this: anyone can write such a token.
const REFRESH_AFTER: Duration = Duration::from_secs(10);
/// The first keys are asked for again after this, ...
const FIRST_RETRY: Duration = Duration::from_millis(25);
/// ... which doubles up to this.
const LAST_RETRY: Duration = Duration::from_secs(1);
/// How many verified tokens are remembered, which takes about 3 MB. Verifying one takes longer than all else that the gateway does
/// for a request, and a client sends the same one again and again.
const REMEMBERED: usize = 4096;
/// The longest one fetch may take, unless the address says otherwise.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);

const JWKS: &str = "/.well-known/jwks.json";

/// Verifies tokens of the shop, signed with Ed25519 and nothing else; cloning shares the keys.
#[derive(Debug, Clone)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// None until first loaded.
    keys: RwLock<Arc<Keys>>,
    validation: Validation,
    /// Where keys come from; none where they are fixed.
    users: Option<Upstream>,
    last_refresh: Mutex<Option<Refresh>>,
}

/// The keys of one fetch, and the tokens that they have verified: who fetches other keys begins with neither.
#[derive(Debug)]
struct Keys {
    by_kid: HashMap<String, DecodingKey>,
    /// The least recently used token is forgotten. Only valid ones come here, so that strangers cannot fill it.
    verified: Mutex<LruCache<String, Claims>>,
}

/// A fetch because of an unknown key, under way or over.
#[derive(Debug, Clone)]
struct Refresh {
    began: Instant,
    over: CancellationToken,
}

impl Verifier {
    /// Verifies with the keys of users, found at `address`, and begins to fetch them. Must be called inside a Tokio runtime.
    ///
    /// The last known keys stay while users is away. The fetches belong to no request: each is a trace of its own.
    pub fn new(address: &Address) -> Self {
        let users = Upstream::unprotected("users", address, FETCH_TIMEOUT);
        let verifier = Self::build(Keys::new(HashMap::new()), Some(users));
        tokio::spawn(load(Arc::downgrade(&verifier.0)));
        verifier
    }

    /// Verifies with these keys for ever: for users itself, and for tests.
    pub fn fixed(keys: &JwkSet) -> Self {
        Self::build(Keys::new(usable(keys)), None)
    }

    fn build(keys: Keys, users: Option<Upstream>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[TOKEN_ISSUER]);
        validation.set_audience(&[TOKEN_AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        Self(Arc::new(Inner {
            keys: RwLock::new(Arc::new(keys)),
            validation,
            users,
            last_refresh: Mutex::default(),
        }))
    }

    /// Has `/readyz` ask whether keys have been loaded, ever.
    pub fn watch(&self, host: &Host) {
        let asked = self.clone();
        host.check("token_keys", move || std::future::ready(asked.loaded()));
    }

    /// A readiness check: whether keys have been loaded, ever.
    pub fn loaded(&self) -> Result<(), String> {
        if self.0.is_loaded() {
            Ok(())
        } else {
            Err("token verification keys not loaded yet".into())
        }
    }

    /// What `token` says, if it is one of ours and not over. Until keys are loaded nobody can tell, which is no fault of the
    /// caller's: 503. A token that was verified a moment ago is believed again while it lasts and its key is published.
    pub async fn verify(&self, token: &str) -> Result<Claims, Error> {
        if let Some(claims) = self.0.keys().remembered(token) {
            return Ok(claims);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| INVALID)?;
        // Checked before the key is chosen: what else it says decides nothing. `crit` asks for what we do not know (RFC 7515).
        if header.alg != Algorithm::EdDSA || header.crit.is_some() {
            return Err(INVALID);
        }
        let kid = header.kid.ok_or(INVALID)?;
        let keys = self.keys_with(&kid).await?;
        let key = keys.by_kid.get(&kid).ok_or(INVALID)?;
        let data = jsonwebtoken::decode::<Claims>(token, key, &self.0.validation);
        let claims = data.map_err(|_| INVALID)?.claims;
        keys.remember(token, &claims);
        Ok(claims)
    }

    /// The keys there are, after others were asked for where `kid` is not among them.
    async fn keys_with(&self, kid: &str) -> Result<Arc<Keys>, Error> {
        let keys = self.0.keys();
        if keys.by_kid.contains_key(kid) {
            return Ok(keys);
        }
        self.refresh().await;
        if !self.0.is_loaded() {
            return Err(Error::Unavailable("token verification"));
        }
        Ok(self.0.keys())
    }

    /// Fetches the keys unless that was done a moment ago. Callers who come meanwhile wait for the same fetch.
    async fn refresh(&self) {
        if self.0.users.is_none() {
            return;
        }
        let refresh = {
            let last = self.0.last_refresh.lock();
            let mut last = last.unwrap_or_else(PoisonError::into_inner);
            last.take_if(|it| it.began.elapsed() >= REFRESH_AFTER);
            last.get_or_insert_with(|| self.start_refresh()).clone()
        };
        refresh.over.cancelled().await;
    }

    fn start_refresh(&self) -> Refresh {
        let (inner, over) = (Arc::clone(&self.0), CancellationToken::new());
        let finish = over.clone().drop_guard();
        // A task of its own: whoever asked first may go away, and others wait for it too.
        tokio::spawn(async move {
            let _finish = finish;
            match inner.fetch().await {
                Ok(()) => {
                    tracing::info!("token with an unknown key id; verification keys refreshed");
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(
                        error,
                        "verification keys not refreshed; last known keys kept"
                    );
                }
            }
        });
        Refresh {
            began: Instant::now(),
            over,
        }
    }
}

/// Asks until there are keys, or nobody needs them any more.
async fn load(verifier: Weak<Inner>) {
    let mut pause = FIRST_RETRY;
    while let Some(inner) = verifier.upgrade() {
        if let Err(error) = inner.fetch().await {
            let error = format!("{error:#}");
            if pause < LAST_RETRY {
                // Services start together, so the first attempts may well fail.
                tracing::debug!(error, "verification keys not loaded yet");
            } else {
                tracing::warn!(error, "verification keys still not loaded");
            }
        } else {
            return;
        }
        drop(inner);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_RETRY);
    }
}

impl Inner {
    fn is_loaded(&self) -> bool {
        !self.keys().by_kid.is_empty()
    }

    fn keys(&self) -> Arc<Keys> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys)
    }

    async fn fetch(&self) -> anyhow::Result<()> {
        let Some(users) = &self.users else {
            return Ok(());
        };
        let path = PathAndQuery::from_static(JWKS);
        let answer = users
            .send(Method::GET, JWKS, path, HeaderMap::new(), Bytes::new())
            .await?;
        let status = answer.status();
        anyhow::ensure!(status == StatusCode::OK, "users answered {status}");
        let keys = serde_json::from_slice(answer.body());
        let keys = usable(&keys.context("parse the verification keys from users")?);
        anyhow::ensure!(!keys.is_empty(), "users published no usable key");
        let keys = Arc::new(Keys::new(keys));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

impl Keys {
    fn new(by_kid: HashMap<String, DecodingKey>) -> Self {
        Self {
            by_kid,
            verified: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }

    /// What `token` said when these keys verified it, unless it is over by now.
    fn remembered(&self, token: &str) -> Option<Claims> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let over = jsonwebtoken::get_current_timestamp().saturating_sub(LEEWAY_S);
        verified.get(token).filter(|it| it.exp >= over).cloned()
    }

    fn remember(&self, token: &str, claims: &Claims) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.insert(token.to_owned(), claims.clone());
    }
}

/// The keys that may verify a token: named, and for Ed25519 only.
fn usable(keys: &JwkSet) -> HashMap<String, DecodingKey> {
    let keys = keys.keys.iter().filter_map(|it| {
        let key = DecodingKey::from_jwk(it).ok()?;
        let ed25519 = key.family() == Algorithm::EdDSA.family();
        ed25519.then_some((it.common.key_id.clone()?, key))
    });
    keys.collect()
}

#[cfg(test)]
mod tests;
