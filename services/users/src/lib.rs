//! Users: accounts, and the tokens that say who is asking.
//!
//! [`account`] has the rules, [`store`] what is read, [`registry`] what changes accounts; [`password`] hashes within limits,
//! [`stretch`] is the hash itself, and [`admin`] says who there is from the start. Tokens are made and verified in `identity`,
//! so that both sides agree on what they look like; only this service holds the key that signs.

mod account;
mod admin;
mod config;
mod password;
mod registry;
mod routes;
mod store;
mod stretch;

use std::time::Duration;

use axum::extract::FromRef;
use chassis::Host;
use identity::{SigningKey, Verifier};

pub use config::Config;
pub use password::Hasher;
pub use routes::app;
pub use store::Store;

/// What the service works with; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct State {
    store: Store,
    /// What hashes passwords.
    pub hasher: Hasher,
    key: SigningKey,
    #[from_ref(skip)]
    token_ttl: Duration,
    verifier: Verifier,
}

impl State {
    /// Opens what `config` names, and sees to the admin.
    pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let key = SigningKey::read(&config.signing_key_file)?;
        let state = Self {
            store: Store::open(config, host).await?,
            hasher: Hasher::new(config.hash_concurrency, config.hash_queue),
            verifier: Verifier::fixed(&key.public()),
            key,
            token_ttl: config.token_ttl,
        };
        state.hasher.watch(host);
        admin::seed(&state, config).await?;
        Ok(state)
    }
}

/// A new key for `--signing-key-file`, as PEM: a secret.
pub fn generate_signing_key() -> String {
    SigningKey::generate().to_pem()
}

/// Serves accounts until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    chassis::run("users", &config.chassis, async |host| {
        Ok(app(State::open(&config, &host).await?))
    })
    .await
}
