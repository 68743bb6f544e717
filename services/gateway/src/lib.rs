//! Gateway: the only public door of the shop.
//!
//! It keeps nothing, so it has no store, and a file for each concern: [`auth`] (who comes in), [`limit`] (rates), [`proxy`] (what
//! passes through), [`page`] (what is composed here), [`upstreams`] (the services behind it), [`documentation`] (the merged
//! OpenAPI document and its page).

mod auth;
mod config;
mod documentation;
mod limit;
mod page;
mod proxy;
mod routes;
mod upstreams;

use std::sync::Arc;

use axum::extract::FromRef;
use chassis::{Host, Share};
use identity::Verifier;
use telemetry::Caller;
use tower_http::cors::CorsLayer;

pub use config::Config;
use limit::Limiter;
pub use routes::app;
use upstreams::Upstreams;

/// What the gateway works with; cloning shares it.
#[derive(Debug, Clone, FromRef)]
pub struct State {
    upstreams: Upstreams,
    verifier: Verifier,
    limiter: Limiter,
    #[from_ref(skip)]
    cors: Arc<CorsLayer>,
    #[from_ref(skip)]
    caller: Caller,
    #[from_ref(skip)]
    trust_deadline: bool,
    #[from_ref(skip)]
    share: Share,
}

impl State {
    /// Finds the services behind the gateway where `config` says.
    #[expect(
        clippy::unused_async,
        reason = "every service opens so; this one waits for nobody"
    )]
    pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let state = Self {
            upstreams: Upstreams::new(config, host),
            verifier: Verifier::new(&config.users_addr),
            limiter: Limiter::new(config),
            cors: routes::cors(config)?.into(),
            caller: if config.trust_traceparent {
                Caller::Trusted
            } else {
                Caller::Untrusted
            },
            trust_deadline: config.trust_deadline,
            share: config.share(),
        };
        state.verifier.watch(host);
        Ok(state)
    }
}

/// Serves the public routes until told to stop.
pub async fn run(config: Config) -> anyhow::Result<()> {
    chassis::run("gateway", &config.chassis, async |host| {
        Ok(app(State::open(&config, &host).await?))
    })
    .await
}
