//! Users: accounts, and the tokens that say who is asking.
//!
//! Beside the files every service has: [`password`] (hashing within limits), [`stretch`] (the hash itself), [`admin`] (who there is from the start). Tokens are made and verified in
//! `identity`, so that both sides agree on what they look like; only this service holds the key that signs.

mod account;
mod admin;
mod config;
mod password;
mod routes;
mod store;
mod stretch;

use std::time::Duration;

use axum::extract::FromRef;
pub use config::Config;
use identity::{SigningKey, Verifier};
pub use password::Hasher;
pub use routes::app;
pub use store::Store;

/// What the routes work with; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct Users {
    store: Store,
    hasher: Hasher,
    key: SigningKey,
    #[from_ref(skip)]
    token_ttl: Duration,
    verifier: Verifier,
}

impl Users {
    /// Opens what `config` names, and sees to the admin.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let key = SigningKey::read(&config.signing_key_file)?;
        let users = Self {
            store: Store::open(&config.database_url, &config.database).await?,
            hasher: Hasher::new(config.hash_concurrency, config.hash_queue),
            verifier: Verifier::fixed(&key.public()),
            key,
            token_ttl: config.token_ttl,
        };
        if let (Some(email), Some(file)) = (&config.admin_email, &config.admin_password_file) {
            admin::seed(&users.store, &users.hasher, email, file).await?;
        }
        Ok(users)
    }

    /// What hashes passwords.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }
}

/// A new key for `--signing-key-file`, as PEM: a secret.
pub fn generate_signing_key() -> String {
    SigningKey::generate().to_pem()
}

/// Serves accounts until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let caller = telemetry::Caller::Trusted;
    chassis::run("users", &config.chassis, caller, async |host| {
        let users = Users::open(&config).await?;
        users.store.database().watch(&host);
        let hasher = users.hasher.clone();
        host.gauge(move || {
            hasher.report();
            std::future::ready(())
        });
        Ok(app(users))
    })
    .await
}
