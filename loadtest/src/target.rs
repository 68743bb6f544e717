//! A deployment that we did not start: containers, a cluster, somebody's own.

use anyhow::Context as _;
use reqwest::Url;
use tokio::net::lookup_host;

use crate::{
    args::{RunArgs, TargetArgs},
    evidence::{admin::Admin, documents::Documents, jaeger::Jaeger},
};

/// The most arrivals a second that it is asked for.
const MAX_RATE: f64 = 200.0;
/// The longest it is measured for before the first of three looks, in seconds: shoppers' tokens outlive the third.
const MAX_SECONDS: u64 = 240;

/// How a target was asked for that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadTarget {
    /// No gateway is there.
    #[error("{0} is not an address of a gateway: expected http://HOST:PORT or https://HOST")]
    NotHttp(Url),
    /// It belongs to somebody.
    #[error("{0} is not on this machine: add --i-own-this-target if you may load it")]
    NotOurs(Url),
    /// More than anybody's shop should bear unasked.
    #[error("with --target at most {MAX_RATE} arrivals per second and --duration {MAX_SECONDS}s")]
    TooMuch,
}

/// A deployment that we did not start.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Where the gateway takes requests, without a slash at the end.
    pub(crate) gateway: String,
    /// Its admin ports, if they are known.
    pub(crate) admin: Option<Admin>,
    /// Where its lines are collected, if that is known, ...
    pub(crate) logs: Option<Documents>,
    /// ... and its traces.
    pub(crate) traces: Option<Jaeger>,
}

impl Target {
    /// What was asked for, if anything was.
    ///
    /// # Errors
    /// [`BadTarget`], a host that cannot be resolved, a discovery file that is none, or an address of no Elasticsearch or Jaeger.
    pub(crate) async fn of(args: &RunArgs) -> anyhow::Result<Option<Self>> {
        let TargetArgs {
            target,
            discovery,
            logs,
            traces,
            i_own_this_target,
        } = &args.target;
        let Some(url) = target else { return Ok(None) };
        let plain = matches!(url.scheme(), "http" | "https") && url.path() == "/";
        let (true, Some(host), Some(port)) = (plain, url.host_str(), url.port_or_known_default())
        else {
            return Err(BadTarget::NotHttp(url.clone()).into());
        };
        if args.rate > MAX_RATE || args.duration.is_some_and(|it| it.as_secs() > MAX_SECONDS) {
            return Err(BadTarget::TooMuch.into());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found = lookup_host((host, port)).await;
        let found: Vec<_> = found.with_context(|| format!("find {host}"))?.collect();
        if !i_own_this_target && !found.iter().all(|it| it.ip().is_loopback()) {
            return Err(BadTarget::NotOurs(url.clone()).into());
        }
        Ok(Some(Self {
            gateway: url.as_str().trim_end_matches('/').to_owned(),
            admin: discovery.as_deref().map(Admin::read).transpose()?,
            logs: match logs.as_deref().unwrap_or_default() {
                "" => None,
                stream => Some(Documents::at(&stream.parse::<Url>().context("--logs")?)?),
            },
            traces: traces.as_ref().map(Jaeger::at).transpose()?,
        }))
    }
}
